//! `/api/models`: which models there are, what is known of them, and which of them are on offer.

use super::fields::{Field, Given, Kind};
use super::keys::Resting;
use super::pages::{self, List, json};
use super::problem::Problem;
use super::routes::Route;
use super::{Plane, body};
use crate::catalog::Refreshed;
use crate::domain::cooldown::Place;
use crate::domain::model::Model;
use crate::domain::model_facts::ModelFacts;
use crate::domain::time::Timestamp;
use actix_web::web::{self, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::HashMap;

const PAGE: &[Field] = &[
    pages::LIMIT,
    pages::AFTER_NAME,
    Field::optional(
        "free",
        Kind::Word(&["true", "false", "all"]),
        "Only free ones (the usual), only others, or all.",
    ),
    Field::optional("enabled", Kind::Switch, "Only those that are on offer, or only those that are not."),
    Field::optional("q", Kind::Text { min: 0, max: 200 }, "Only those with this text in their id or name."),
];
const CHANGE: &[Field] =
    &[Field::required("enabled", Kind::Switch, "Whether it is on offer; refreshes keep this.")];

/// The routes of this resource.
pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/models", || web::get().to(list))
            .says("The models, by id.")
            .query(PAGE)
            .gives::<List<ModelShown>>(200),
        Route::post("/api/models/refresh", || web::post().to(refresh))
            .says("Fetch the model list now; tells what is new.")
            .gives::<Refresh>(200)
            .problems(&[502]),
        Route::get("/api/models/{id}", || web::get().to(one)).says("One model.").gives::<ModelShown>(200),
        Route::patch("/api/models/{id}", || web::patch().to(change))
            .says("Put a model on offer, or take it off.")
            .body(CHANGE)
            .gives::<ModelShown>(200),
    ]
}

/// A model as the operator sees it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Model")]
struct ModelShown {
    id: String,
    name: Option<String>,
    owner: String,
    /// `chat` or `embeddings`.
    kind: &'static str,
    /// Whether the free rule admits it.
    free: bool,
    /// Whether it is on offer.
    enabled: bool,
    /// How many parameters it has, as far as its names say.
    parameters: Option<f64>,
    /// The context window that holds, in tokens.
    context_length: Option<u64>,
    /// The most tokens of one answer.
    max_output: Option<u64>,
    input_modalities: Vec<String>,
    output_modalities: Vec<String>,
    supported_parameters: Vec<String>,
    /// Whether it calls tools.
    tools: bool,
    /// Whether it can reason before it answers.
    reasoning: bool,
    /// `YYYY-MM-DD` after which it may vanish.
    expires: Option<String>,
    /// When it was listed first.
    created: Option<String>,
    resting: Option<Resting>,
    /// Requests for it since 00:00 UTC; null while the database is away.
    requests_today: Option<u64>,
}

/// What a refresh did.
#[derive(Debug, Serialize, JsonSchema)]
struct Refresh {
    /// Models on offer now.
    models: usize,
    /// Free ones among them.
    free: usize,
    /// Ids of free models that were not there before.
    added: Vec<String>,
    /// Ids of free models that are gone.
    removed: Vec<String>,
    /// Ids of free models with another window, another limit or other abilities.
    changed: Vec<String>,
    fetched_at: Option<String>,
}

/// What is known of models beside the catalog.
struct Beside {
    resting: HashMap<String, Resting>,
    requests: Option<HashMap<String, u64>>,
}

impl Beside {
    async fn look(plane: &Plane) -> Beside {
        let rests = plane.pool.view().rests;
        let resting = rests.into_iter().filter_map(|(place, rest)| match &place {
            Place::Model(id) => Some((id.clone(), Resting::of(place.clone(), &rest))),
            _ => None,
        });
        let stats = plane.usage.reader().stats(1, plane.clock.now()).await.ok();
        let requests = stats.map(|stats| {
            stats.models.into_iter().map(|share| (share.name, share.sums.requests)).collect::<HashMap<_, _>>()
        });
        Beside { resting: resting.collect(), requests }
    }

    fn show(&self, model: &Model, enabled: bool) -> ModelShown {
        let facts = ModelFacts::of(model);
        let supports = |name: &str| facts.supported_parameters.iter().any(|parameter| parameter == name);
        let embeds = facts.output_modalities.iter().any(|modality| modality == "embeddings");
        let count = |requests: &HashMap<String, u64>| requests.get(&model.id).copied().unwrap_or(0);
        ModelShown {
            id: model.id.clone(),
            owner: model.owner().to_owned(),
            kind: if embeds { "embeddings" } else { "chat" },
            free: model.free,
            enabled,
            parameters: facts.parameters,
            context_length: model.window(),
            max_output: model.max_completion_tokens,
            tools: supports("tools"),
            reasoning: model.reasons,
            expires: model.expires.clone(),
            created: (model.created > 0).then(|| created(model.created)),
            resting: self.resting.get(&model.id).cloned(),
            requests_today: self.requests.as_ref().map(count),
            name: facts.name,
            input_modalities: facts.input_modalities,
            output_modalities: facts.output_modalities,
            supported_parameters: facts.supported_parameters,
        }
    }
}

fn created(seconds: i64) -> String {
    Timestamp::from_millis(seconds.saturating_mul(1000)).rfc3339()
}

async fn list(request: HttpRequest, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let given = Given::of_query(request.query_string(), PAGE)?;
    let text = given.text("q").unwrap_or_default().to_lowercase();
    let beside = Beside::look(&plane).await;
    let catalog = plane.catalog.get();
    let mut models: Vec<ModelShown> = catalog
        .listed()
        .filter(|(model, _)| match given.text("free") {
            Some("all") => true,
            Some("false") => !model.free,
            _ => model.free,
        })
        .filter(|(_, enabled)| given.switch("enabled").is_none_or(|wanted| wanted == *enabled))
        .map(|(model, enabled)| beside.show(model, enabled))
        .filter(|model| {
            let name = model.name.as_deref().unwrap_or_default();
            model.id.to_lowercase().contains(&text) || name.to_lowercase().contains(&text)
        })
        .collect();
    models.sort_by(|one, other| one.id.cmp(&other.id));
    let after = given.text("cursor").map(str::to_owned);
    Ok(json(200, &pages::page(models, |model| model.id.clone(), after, pages::limit(&given))))
}

async fn one(id: Path<String>, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    shown(&plane, &id).await
}

async fn change(
    request: HttpRequest,
    id: Path<String>,
    payload: Payload,
    plane: Data<Plane>,
) -> Result<HttpResponse, Problem> {
    let given = body::read(&request, payload, CHANGE, body::LIMIT).await?;
    if !plane.catalog.get().listed().any(|(model, _)| model.id == *id) {
        return Err(Problem::unknown("model"));
    }
    let enabled = given.switch("enabled").unwrap_or(true);
    let set = plane.catalog.set_enabled(id.clone(), enabled).await;
    set.map_err(|reason| Problem::new(503, reason).retry_after(super::DATABASE_PAUSE))?;
    shown(&plane, &id).await
}

async fn refresh(plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let Refreshed { models, free, change } = plane
        .catalog
        .refresh()
        .await
        .map_err(|reason| Problem::new(502, format!("the model list stays as it was: {reason}")))?;
    let fetched_at = plane.catalog.get().fetched_at.map(Timestamp::rfc3339);
    let (added, removed, changed) = (change.added, change.removed, change.changed);
    Ok(json(200, &Refresh { models, free, added, removed, changed, fetched_at }))
}

async fn shown(plane: &Plane, id: &str) -> Result<HttpResponse, Problem> {
    let catalog = plane.catalog.get();
    let found = catalog.listed().find(|(model, _)| model.id == id);
    let (model, enabled) = found.ok_or_else(|| Problem::unknown("model"))?;
    Ok(json(200, &Beside::look(plane).await.show(model, enabled)))
}
