//! The table of routes: the router and the OpenAPI document are both made of it, so what is served is
//! what is described, and a test can walk over everything there is.

use super::fields::Field;
use super::guard::guard;
use super::problem::Problem;
use super::{
    accounts, events, instances, keys, metrics, models, openapi, overview, session, settings, status, tokens,
    usage,
};
use actix_web::dev::HttpServiceFactory;
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, Resource, Scope};
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// One method of one address.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with `{id}` where one stands.
    pub path: &'static str,
    /// Whether it answers without a credential.
    pub open: bool,
    /// One sentence for people.
    pub summary: &'static str,
    /// The parameters of its query.
    pub query: &'static [Field],
    /// The members of its body; `None`: it takes none.
    pub body: Option<&'static [Field]>,
    /// What it answers when all goes well.
    pub answer: Answer,
    /// The statuses of its problems, beside those that every route may have.
    pub problems: &'static [u16],
    handler: fn() -> actix_web::Route,
}

/// What a route answers when all goes well.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// What is in it.
    pub content: Content,
}

/// What is in an answer.
pub enum Content {
    /// Nothing.
    Nothing,
    /// JSON of this type.
    Json(fn(&mut SchemaGenerator) -> Schema),
    /// Text of one of these content types.
    Text(&'static [&'static str]),
}

impl Route {
    fn new(method: Method, path: &'static str, handler: fn() -> actix_web::Route) -> Route {
        Route {
            method,
            path,
            open: false,
            summary: "",
            query: &[],
            body: None,
            answer: Answer { status: 204, content: Content::Nothing },
            problems: &[],
            handler,
        }
    }

    /// A route that reads.
    pub fn get(path: &'static str, handler: fn() -> actix_web::Route) -> Route {
        Route::new(Method::GET, path, handler)
    }

    /// A route that adds or does something.
    pub fn post(path: &'static str, handler: fn() -> actix_web::Route) -> Route {
        Route::new(Method::POST, path, handler)
    }

    /// A route that changes something.
    pub fn patch(path: &'static str, handler: fn() -> actix_web::Route) -> Route {
        Route::new(Method::PATCH, path, handler)
    }

    /// A route that removes something.
    pub fn delete(path: &'static str, handler: fn() -> actix_web::Route) -> Route {
        Route::new(Method::DELETE, path, handler)
    }

    /// With a sentence for people.
    pub fn says(self, summary: &'static str) -> Route {
        Route { summary, ..self }
    }

    /// Open to everyone.
    pub fn open(self) -> Route {
        Route { open: true, ..self }
    }

    /// With these parameters.
    pub fn query(self, query: &'static [Field]) -> Route {
        Route { query, ..self }
    }

    /// With a body of these members.
    pub fn body(self, body: &'static [Field]) -> Route {
        Route { body: Some(body), ..self }
    }

    /// Answers with JSON of type `T`.
    pub fn gives<T: JsonSchema>(self, status: u16) -> Route {
        let content = Content::Json(|generator| generator.subschema_for::<T>());
        Route { answer: Answer { status, content }, ..self }
    }

    /// Answers 200 with text of one of these content types.
    pub fn gives_text(self, kinds: &'static [&'static str]) -> Route {
        Route { answer: Answer { status: 200, content: Content::Text(kinds) }, ..self }
    }

    /// May also answer with these problems.
    pub fn problems(self, problems: &'static [u16]) -> Route {
        Route { problems, ..self }
    }

    /// Ids of models have a slash in them.
    fn pattern(&self) -> String {
        let is_model = self.path.starts_with("/api/models/");
        if is_model { self.path.replace("{id}", "{id:.+}") } else { self.path.to_owned() }
    }
}

/// Every route, in the order in which addresses are compared.
pub fn table() -> Vec<Route> {
    let all = [
        session::routes(),
        overview::routes(),
        keys::routes(),
        accounts::routes(),
        instances::routes(),
        models::routes(),
        tokens::routes(),
        usage::routes(),
        events::routes(),
        settings::routes(),
        status::routes(),
        metrics::routes(),
        openapi::routes(),
    ];
    all.into_iter().flatten().collect()
}

/// Lays the table's routes: what needs a credential behind the guard, the few others before it.
pub fn configure(config: &mut ServiceConfig) {
    let (open, closed): (Vec<Route>, Vec<Route>) = table().into_iter().partition(|route| route.open);
    for resource in resources(open) {
        config.service(resource);
    }
    let (api, beside): (Vec<Route>, Vec<Route>) =
        closed.into_iter().partition(|route| route.path.starts_with("/api/"));
    for resource in resources(beside) {
        config.service(resource.wrap(from_fn(guard)));
    }
    config.service(scope(api));
}

fn scope(routes: Vec<Route>) -> impl HttpServiceFactory + 'static {
    let scope = resources(routes).into_iter().fold(web::scope("/api"), Scope::service);
    scope.default_service(web::to(super::not_found)).wrap(from_fn(guard))
}

/// One resource for each address, with all its methods; paths below `/api` are told without it.
fn resources(routes: Vec<Route>) -> Vec<Resource> {
    let mut by_path: Vec<(String, Vec<Route>)> = Vec::new();
    for route in routes {
        let pattern = route.pattern();
        match by_path.iter_mut().find(|(path, _)| *path == pattern) {
            Some((_, methods)) => methods.push(route),
            None => by_path.push((pattern, vec![route])),
        }
    }
    by_path.into_iter().map(|(pattern, routes)| resource(&pattern, &routes)).collect()
}

fn resource(pattern: &str, routes: &[Route]) -> Resource {
    let closed = routes.iter().all(|route| !route.open);
    let path = pattern.strip_prefix("/api").filter(|_| closed).unwrap_or(pattern);
    let methods: Vec<&str> = routes.iter().map(|route| route.method.as_str()).collect();
    let methods = methods.join(", ");
    let refuse = move |_: HttpRequest| {
        let methods = methods.clone();
        async move { Problem::new(405, format!("this address takes {methods} only")).allow(methods).response() }
    };
    let resource = web::resource(path.to_owned()).default_service(web::to(refuse));
    routes.iter().fold(resource, |resource, route| resource.route((route.handler)()))
}
