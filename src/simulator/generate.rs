//! The endpoints that generate: fault, limits, answer, in this order. No fault is the straight line.
//!
//! A refusal by OpenRouter itself never costs quota; an attempt that reached a provider always does.

use super::accounts::Denied;
use super::ask::Ask;
use super::compose::Usage;
use super::faults::{self, Case, Dialect, Misbehaviour};
use super::gate::{identify, not_found, refuse};
use super::http::Request;
use super::models::{Model, Models};
use super::reply::Reply;
use super::router::BASE;
use super::state::{Scope, Shared};
use super::views::Generation;
use super::{chat, embeddings, keys, messages, responses};
use crate::domain::time::Timestamp;

/// A reply and what is to be kept once it was sent.
pub(super) struct Turn {
    /// What goes onto the wire.
    pub reply: Reply,
    /// The key whose counts it concerns; only generations are counted.
    pub key: Option<String>,
    /// What `GET /generation` will know.
    pub generation: Option<Generation>,
}

impl From<Reply> for Turn {
    fn from(reply: Reply) -> Turn {
        Turn { reply, key: None, generation: None }
    }
}

/// The endpoints that generate.
pub(super) fn generate(shared: &Shared, request: &Request, route: &str, dialect: Dialect) -> Turn {
    let now = shared.clock.now();
    let (key, account) = match identify(shared, request, dialect) {
        Ok(known) => known,
        Err(refused) => return (*refused).into(),
    };
    let ask = Ask::read(dialect, &request.body, shared.seed);
    let chosen = ask.as_ref().ok().map(|ask| choose(shared, ask));
    let fault = {
        let mut state = shared.state();
        if let Some(counts) = state.key(&key) {
            counts.attempts += 1;
            *counts.by_day.entry(now.day()).or_default() += 1;
        }
        let directive = ask.as_ref().ok().and_then(|ask| ask.steer.fault);
        directive
            .or_else(|| state.take_fault(&Scope::All))
            .or_else(|| state.take_fault(&Scope::Path(route.to_owned())))
            .or_else(|| state.take_fault(&Scope::Key(key.clone())))
            .or_else(|| state.named_fault(&key))
            .or_else(|| state.take_fault(&Scope::Model(chosen.clone()?)))
    };
    let turn = match (ask, chosen) {
        (Ok(ask), Some(chosen)) => {
            Scene { shared, now, key: &key, account: &account, ask: &ask }.play(&chosen, fault)
        }
        (Err(message), _) if !fault.is_some_and(|m| m.fault.revokes_key()) => {
            refuse(dialect, 400, &message).into()
        }
        _ => fault
            .map_or_else(not_found, |m| m.apply(&Case { key: &key, ..Case::blank(dialect, now) }, not_found))
            .into(),
    };
    Turn { key: Some(key), ..turn }
}

/// The first of the models asked for that is known and not failing; else the first.
fn choose(shared: &Shared, ask: &Ask) -> String {
    if !ask.fallbacks.is_empty() {
        let state = shared.state();
        let fine = |id: &&String| {
            shared.models.find(id).is_some() && state.fault(&Scope::Model((*id).clone())).is_none()
        };
        if let Some(id) = std::iter::once(&ask.model).chain(&ask.fallbacks).find(fine) {
            return id.clone();
        }
    }
    ask.model.clone()
}

/// The answer of a generating endpoint, as a pure function of the request and the id.
pub(super) fn answer(ask: &Ask, model: &Model, id: &str, created: i64) -> (Reply, Usage) {
    let (reply, usage) = match ask.dialect {
        Dialect::Responses => responses::answer(ask, model, id, created),
        Dialect::Messages => messages::answer(ask, model, id, created),
        Dialect::Embeddings => embeddings::answer(ask, model, id, created),
        _ => chat::answer(ask, model, id, created),
    };
    (reply.with("X-Generation-Id", id), usage)
}

/// The model that answers when `model` is asked: the free router picks one.
fn serving<'a>(models: &'a Models, model: &'a Model, ask: &Ask) -> &'a Model {
    if model.id == crate::domain::model::FREE_ROUTER {
        return models.pick_free(ask.seed).unwrap_or(model);
    }
    model
}

/// One request to a generating endpoint, understood.
struct Scene<'a> {
    shared: &'a Shared,
    now: Timestamp,
    key: &'a str,
    account: &'a str,
    ask: &'a Ask,
}

impl Scene<'_> {
    fn play(&self, chosen: &str, fault: Option<Misbehaviour>) -> Turn {
        let (ask, now) = (self.ask, self.now);
        let model = self.shared.models.find(chosen);
        let user = keys::user_id(self.account);
        let id = self.shared.generation_id(now, ask.seed, ask.dialect == Dialect::Embeddings);
        let window = model.and_then(|model| model.window).unwrap_or(131_072);
        let case = Case {
            stream: ask.stream,
            model: chosen,
            provider: model.map_or("Novita", |model| model.provider),
            id: &id,
            user: &user,
            words: &ask.text,
            key: self.key,
            max_tokens: ask.max_tokens.unwrap_or_else(|| window.min(65_536)),
            prompt_tokens: ask.prompt_tokens,
            window,
            ..Case::blank(ask.dialect, now)
        };
        if let Some(fault) = fault.filter(|fault| !fault.costs_quota()) {
            return fault.apply(&case, not_found).into();
        }
        let Some(model) = model else { return faults::invalid_model(&case).into() };
        if let Err(refused) = self.check(&case, model) {
            return (*refused).into();
        }
        let model = serving(&self.shared.models, model, ask);
        let mut usage = None;
        let mut good = || {
            let (reply, took) = answer(ask, model, &id, now.seconds());
            usage = Some(took);
            reply
        };
        let case = Case { model: &model.id, provider: model.provider, ..case.clone() };
        let reply = match fault {
            Some(fault) => fault.apply(&case, good),
            None => good(),
        };
        if let Some(usage) = usage.filter(|usage| usage.cost() > 0.0) {
            self.shared.state().account(self.account).spent += usage.cost();
        }
        let generation = usage.map(|usage| Generation {
            id: id.clone(),
            model: model.id.clone(),
            provider: model.provider,
            at: now,
            streamed: ask.stream,
            cancelled: false,
            usage,
            took_ms: 0,
        });
        Turn { reply, key: None, generation }
    }

    /// What OpenRouter checks before it asks a provider.
    fn check(&self, case: &Case<'_>, model: &Model) -> Result<(), Box<Reply>> {
        if model.embeds != (case.dialect == Dialect::Embeddings) {
            let message = format!("No endpoints found for {}.", case.model);
            return Err(case.refuse(404, faults::error(404, &message)).into());
        }
        let output = self.ask.max_tokens.unwrap_or(0);
        if case.prompt_tokens.saturating_add(output) > case.window {
            return Err(faults::over_window(case, case.prompt_tokens, output).into());
        }
        self.shared.admit(self.account, model.free, self.now).map_err(|denied| {
            Box::new(match denied {
                Denied::Daily { limit, reset } => faults::daily(case, limit, reset),
                Denied::Minute { limit, reset } => faults::minute(case, limit, reset),
                Denied::NeverBought => faults::never_bought(case),
                Denied::NoCredit => faults::afford(case, 0),
            })
        })?;
        if self.shared.enforce && !model.free && model.completion_price > 0.0 {
            let (_, balance) = self.shared.plan(self.account);
            let affordable = (balance / model.completion_price).max(0.0) as u64;
            if affordable < case.max_tokens {
                return Err(faults::afford(case, affordable).into());
            }
        }
        Ok(())
    }
}

/// What `path` answers to `body` under this generation id: the body without framing, byte for byte.
pub(super) fn expected(shared: &Shared, path: &str, body: &[u8], id: &str) -> Option<Vec<u8>> {
    let dialect = Dialect::of(path.strip_prefix(BASE).unwrap_or(path))?;
    let created =
        id.trim_start_matches("gen-emb-").trim_start_matches("gen-").split('-').next()?.parse().ok()?;
    let ask = Ask::read(dialect, body, shared.seed).ok()?;
    let model = serving(&shared.models, shared.models.find(&ask.model)?, &ask);
    Some(answer(&ask, model, id, created).0.body())
}
