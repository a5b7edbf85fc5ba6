//! Lays the pipes: configuration → store → actors → two servers; and takes them up again in order.
//!
//! Decides nothing about requests. What can stop a start is one [`StartError`], said once.

mod certificate;
mod error;
pub mod hardening;
mod live;
pub mod logging;
mod operator;
mod options;
mod password;
mod replicas;
mod stop;
mod time;

pub use certificate::check as check_certificate;
pub use error::StartError;
pub use password::{NewPassword, generate as new_password};
pub use stop::Stop;

use options::{access, catalog_options, data_options, journal_options, pool_options, shaping};

use crate::admin_plane;
use crate::catalog::CatalogHandle;
use crate::config::Settings;
use crate::config::database::{Database, DatabaseUrl};
use crate::config::exposed;
use crate::config::host::Host;
use crate::config::openrouter::OpenRouter;
use crate::credentials::{AdminAsClient, Guesses};
use crate::data_plane;
use crate::domain::ids::RequestIds;
use crate::domain::key::NewKey;
use crate::domain::published::Published;
use crate::domain::replicas::Replicas;
use crate::domain::secret::Secret;
use crate::domain::time::Clock;
use crate::keypool::KeyPoolHandle;
use crate::listener::{self, Deadlines};
use crate::metrics::Metrics;
use crate::replicas::{News, ReplicasHandle};
use crate::store::{Place, SecretKeySource, Store, StoreError};
use crate::tokens::TokensHandle;
use crate::upstream::client::Connection;
use crate::usage::journal::Journal;
use crate::usage::{Completer, UsageHandle};
use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App as WebApp, web};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Idle connections of the admin plane are kept this long.
const ADMIN_IDLE: Duration = Duration::from_secs(5);
/// For the last rows and counts at the end.
const FLUSH_TIME: Duration = Duration::from_secs(10);
/// The admin plane has nothing to drain.
const ADMIN_SHUTDOWN: Duration = Duration::from_secs(2);

/// The running program: two servers and four actors.
pub struct App {
    data_address: SocketAddr,
    admin_address: SocketAddr,
    data_server: Server,
    admin_server: Server,
    shared: Arc<data_plane::Shared>,
    instances: ReplicasHandle,
    /// Heard as long as the program runs.
    _news: News,
    new_password: Option<NewPassword>,
    drain_delay: Duration,
    shutdown_timeout: Duration,
}

impl App {
    /// Starts everything; both ports are bound when it returns. Must run inside an actix system.
    ///
    /// # Errors
    /// Whatever keeps the program from serving, with what to do about it.
    pub fn build(settings: &Settings, clock: Clock) -> Result<App, StartError> {
        App::build_with(settings, clock, Deadlines::default())
    }

    /// The same with other deadlines for clients: tests cannot wait as long as real clients may.
    ///
    /// # Errors
    /// Those of [`App::build`].
    pub fn build_with(settings: &Settings, clock: Clock, deadlines: Deadlines) -> Result<App, StartError> {
        let tls = certificate::open(&settings.server, &clock)?;
        for warning in settings.warnings().iter().cloned().chain(exposed_files(settings)) {
            log::warn!("{warning}");
        }
        listener::raise_descriptor_limit();
        // The ports first: a second start beside a running one must not touch the database.
        let data_listener = bind(&settings.server.host, settings.server.port, "server.port")?;
        let admin_listener = bind(&settings.admin.host, settings.admin.port, "admin.port")?;
        let data_address = data_listener.local_addr().map_err(StartError::Io)?;
        let admin_address = admin_listener.local_addr().map_err(StartError::Io)?;
        let connection = connection(&settings.openrouter)?;
        let store = open_store(&settings.database)?;
        let journal = Journal::open(journal_options(settings))?;
        let (password, new_password) = password::find(settings.admin.password.as_ref(), &store)?;
        time::follow(&store, &clock)?;
        time::watch(store.clone(), clock.clone());
        add_configured_keys(&settings.openrouter.api_keys, &store, &clock)?;

        let metrics = Metrics::new(&settings.openrouter.free_model_suffix).map_err(StartError::Metrics)?;
        let replicas = Replicas::default();
        let pool = KeyPoolHandle::start(
            store.clone(),
            connection.clone(),
            pool_options(settings),
            metrics.clone(),
            clock.clone(),
            replicas.clone(),
            &settings.database.data_dir,
        )?;
        let options = catalog_options(&settings.openrouter);
        let catalog = CatalogHandle::start(store.clone(), connection.clone(), options, clock.clone())?;
        let tokens =
            TokensHandle::start(store.clone(), clock.clone(), replicas.clone(), &settings.database.data_dir)?;
        let admin_uses = AdminAsClient::new(clock.clone());
        let guesses_of_clients = Guesses::of_clients(clock.clone());
        let mut access = access(settings, &password, guesses_of_clients.clone());
        access.tokens = Some(tokens.clone());
        access.admin_uses = Some(admin_uses.clone());
        let password_news = password::watch(password.clone(), store.clone());
        let addresses = (data_address, admin_address);
        let instances = replicas::join(&store, addresses, replicas.clone(), clock.clone())?;
        let days = settings.usage.retention_days;
        let mut usage = UsageHandle::start(store.clone(), journal, days, metrics.clone(), clock.clone());
        if let Some(wait) = settings.usage.complete_cancelled {
            let completer = Completer::start(connection.clone(), store.clone(), usage.clone(), wait);
            usage = usage.completed_by(completer);
        }
        let shared = Arc::new(data_plane::Shared {
            options: Published::new(data_options(settings, deadlines)),
            access,
            shaping: shaping(settings)?,
            gate: data_plane::Gate::new(settings.server.max_in_flight, settings.server.max_body_memory),
            pool: pool.clone(),
            catalog: catalog.clone(),
            tokens: tokens.clone(),
            usage: usage.clone(),
            clock: clock.clone(),
            ids: RequestIds::default(),
        });
        let data_listening = listener::Options {
            workers: settings.server.workers,
            shutdown_timeout: settings.server.shutdown_timeout + stop::LAST_WORDS,
            deadlines,
            tls,
            wording: data_plane::below_every_route,
            clock: clock.clone(),
        };
        let admin_listening = listener::Options {
            workers: 1,
            shutdown_timeout: ADMIN_SHUTDOWN,
            deadlines: Deadlines { idle: ADMIN_IDLE, ..deadlines },
            tls: None,
            wording: admin_plane::below_every_route,
            clock: clock.clone(),
        };
        let told = store.clone();
        let parts = operator::Parts {
            password,
            store,
            pool: pool.clone(),
            catalog: catalog.clone(),
            tokens: tokens.clone(),
            admin_uses,
            usage,
            metrics,
            instances: instances.clone(),
            guesses_of_clients,
            clock,
        };
        let live = live::settings(settings, &shared, deadlines);
        let admin = operator::plane(settings, data_address, Arc::clone(&shared), live, parts);
        let news = replicas::listen(
            &told,
            replicas::Keepers {
                pool,
                catalog,
                tokens,
                password: password_news,
                door: Arc::clone(&admin.door),
            },
        );
        Ok(App {
            data_address,
            admin_address,
            data_server: data_server(data_listener, data_listening, Arc::clone(&shared), connection)?,
            admin_server: admin_server(admin_listener, admin_listening, admin)?,
            shared,
            instances,
            _news: news,
            new_password,
            drain_delay: settings.server.drain_delay,
            shutdown_timeout: settings.server.shutdown_timeout,
        })
    }

    /// Where clients connect to.
    pub fn data_address(&self) -> SocketAddr {
        self.data_address
    }

    /// Where the operator connects to.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// The admin password, if this start has generated it: the one moment to show it.
    pub fn take_new_password(&mut self) -> Option<NewPassword> {
        self.new_password.take()
    }

    /// The state of the data plane, to say how many keys and models there are.
    pub fn shared(&self) -> Arc<data_plane::Shared> {
        Arc::clone(&self.shared)
    }

    /// Serves until `stop` asks to end, then drains: readiness first, then open requests, then rows.
    ///
    /// # Errors
    /// When a part of the program died, so that going on would be dishonest.
    pub async fn run(self, stop: Stop) -> Result<(), StartError> {
        let data = self.data_server.handle();
        let admin = self.admin_server.handle();
        let serving = actix_web::rt::spawn(self.data_server);
        actix_web::rt::spawn(self.admin_server);
        let ended = stop::wait(&stop, &self.shared).await;
        self.shared.gate.drain();
        self.instances.drain();
        log::info!("stopping: {} requests are being served", self.shared.gate.inside());
        let noticing = self.drain_delay.min(self.shutdown_timeout / 2);
        if ended.is_ok() {
            stop::be_noticed(&stop, noticing).await;
        }
        stop::drain(&stop, &self.shared, serving, data, self.shutdown_timeout - noticing).await;
        let counts = async {
            self.shared.tokens.shut_down().await;
            self.shared.pool.shut_down().await;
        };
        let (rows, counts) =
            tokio::join!(timeout(FLUSH_TIME, self.shared.usage.flush()), timeout(FLUSH_TIME, counts));
        // What is not stored by then waits in the journal for the next start.
        if rows.is_err() {
            log::warn!("{} usage rows wait in the journal for the next start", self.shared.usage.waiting());
        }
        if counts.is_err() {
            log::warn!("the last counts of keys and client tokens could not be stored");
        }
        self.instances.leave().await;
        admin.stop(false).await;
        ended
    }
}

/// Warnings about files beside the configuration that others should not be able to read.
fn exposed_files(settings: &Settings) -> impl Iterator<Item = String> {
    let database = match &settings.database.url {
        DatabaseUrl::Sqlite(path) => exposed::warning(path, "the database"),
        DatabaseUrl::Postgres(_) => None,
    };
    let tls = settings.server.tls.as_ref();
    database.into_iter().chain(tls.and_then(|tls| exposed::warning(&tls.key_path, "the private key")))
}

fn bind(host: &Host, port: u16, key: &'static str) -> Result<TcpListener, StartError> {
    listener::bind(host.as_str(), port).map_err(|source| StartError::Bind {
        address: format!("{host}:{port}"),
        key,
        source,
    })
}

/// How to reach the upstream that the configuration names.
///
/// # Errors
/// When no CA certificates are found for an https upstream, or a header value cannot be sent.
pub fn connection(openrouter: &OpenRouter) -> Result<Connection, StartError> {
    let connection = Connection::new(
        openrouter.base_url.as_str(),
        openrouter.connect_timeout,
        openrouter.http_referer.as_deref(),
        openrouter.x_title.as_deref(),
    )?;
    Ok(connection)
}

/// Where the database with this URL is.
pub fn place(url: &DatabaseUrl) -> Place {
    match url {
        DatabaseUrl::Sqlite(path) => Place::Sqlite(path.clone()),
        DatabaseUrl::Postgres(url) => Place::Postgres(url.secret().clone()),
    }
}

/// Opens the database that the configuration names; creates it if it does not exist.
///
/// # Errors
/// Those of [`Store::open`].
pub fn open_store(database: &Database) -> Result<Store, StoreError> {
    let place = place(&database.url);
    let secret_key = match &database.secret_key {
        Some(text) => SecretKeySource::Given(text.clone()),
        None => SecretKeySource::File(database.data_dir.join("secret.key")),
    };
    Store::open(&place, &secret_key)
}

/// The keys of the configuration join the pool; those that are there already stay as they are.
fn add_configured_keys(keys: &[Secret], store: &Store, clock: &Clock) -> Result<(), StoreError> {
    for secret in keys {
        let key = NewKey { secret: secret.clone(), label: String::new(), daily_limit: None };
        match store.add_key(key, clock.now()) {
            Ok(_) | Err(StoreError::DuplicateKey { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn data_server(
    socket: TcpListener,
    options: listener::Options,
    shared: Arc<data_plane::Shared>,
    connection: Connection,
) -> Result<Server, StartError> {
    if let Some(tls) = &options.tls {
        certificate::watch(Arc::clone(tls));
    }
    let factory = move || {
        let plane = data_plane::Plane::new(Arc::clone(&shared), &connection);
        WebApp::new()
            .app_data(web::Data::new(plane))
            .wrap(from_fn(data_plane::guard))
            .configure(data_plane::configure)
    };
    listener::serve(factory, socket, options).map_err(StartError::Io)
}

fn admin_server(
    socket: TcpListener,
    options: listener::Options,
    plane: admin_plane::Plane,
) -> Result<Server, StartError> {
    let factory = move || {
        WebApp::new()
            .wrap(from_fn(admin_plane::outer))
            .wrap(admin_plane::security_headers())
            .configure(|config| admin_plane::configure(config, &plane))
            .default_service(web::to(admin_plane::not_found))
    };
    listener::serve(factory, socket, options).map_err(StartError::Io)
}
