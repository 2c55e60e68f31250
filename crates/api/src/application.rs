//! The server: built from settings and a registry, run until it is told to stop.
//!
//! **Invariant:** a request that was accepted is answered, or cut off only after the shutdown timeout; the registry is
//! closed after the last of them.

use crate::clock;
use crate::envelope;
use crate::idempotency;
use crate::limits;
use crate::metrics::{self, Watched};
use crate::openapi;
use crate::problem::Problem;
use crate::relay::Relay;
use crate::routes;
use crate::settings::{SecretError, Settings};
use crate::state::State;
use actix_web::body::BoxBody;
use actix_web::dev::{Server, ServerHandle, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data};
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer};
use futures_util::future::{join_all, try_join_all};
use gridwork_registry::{Registry, StoreError};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use utoipa_actix_web::AppExt;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// Where the OpenAPI document is served.
const DOCUMENT_PATH: &str = "/openapi.json";

/// A server that listens, and answers once it runs.
pub struct Application {
    registry: Registry,
    state: Data<State>,
    relay: Option<Relay>,
    server: Server,
    address: SocketAddr,
    metrics: Option<(Server, SocketAddr)>,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The address of the API.
    #[error("the API cannot be served on {0}: is the port taken? GRIDWORK_ADDRESS sets another")]
    Address(SocketAddr, #[source] io::Error),
    /// The address of the metrics.
    #[error("metrics cannot be served on {0}: is the port taken? GRIDWORK_METRICS_ADDRESS sets another, or off")]
    MetricsAddress(SocketAddr, #[source] io::Error),
    /// The secret of access tokens.
    #[error("there is no secret for access tokens")]
    Secret(#[from] SecretError),
    /// The metrics themselves.
    #[error("the metrics cannot be set up")]
    Metrics(#[from] prometheus::Error),
}

/// Why a server ended otherwise than it was told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A listener or a signal.
    #[error("the server stopped listening")]
    Listener(#[from] io::Error),
    /// The registry.
    #[error("the registry was not closed in order")]
    Registry(#[from] StoreError),
}

impl Application {
    /// Listens on the addresses of the settings. Requests wait in the backlog until the application runs.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build(settings: &Settings, registry: Registry) -> Result<Self, BuildError> {
        let state = Data::new(State::new(settings, settings.secret()?.as_bytes(), registry.clone())?);
        let (server, address) =
            serve(settings, state.clone()).map_err(|error| BuildError::Address(settings.address, error))?;
        let metrics = settings.metrics_address.map(|address| {
            serve_metrics(address, state.clone()).map_err(|error| BuildError::MetricsAddress(address, error))
        });
        let relay = settings.redis.as_ref().map(|redis| Relay::new(redis, registry.clone()));
        Ok(Self { registry, state, relay, server, address, metrics: metrics.transpose()? })
    }

    /// The address of the API.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the metrics, if they are served.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|(_, address)| *address)
    }

    /// Runs until the process gets SIGTERM or SIGINT; then lets requests under way end and closes the registry.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn run_until_stopped(self) -> Result<(), RunError> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        self.run_until(async move {
            tokio::select! {
                _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
                _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
            }
        })
        .await
    }

    /// Runs until `stop` is done; then lets requests under way end and closes the registry.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<(), RunError> {
        tracing::info!(address = %self.address, metrics = ?self.metrics_address(), "serving");
        let mut servers = vec![self.server];
        servers.extend(self.metrics.map(|(server, _)| server));
        let handles: Vec<ServerHandle> = servers.iter().map(Server::handle).collect();
        let mut serving = pin!(try_join_all(servers));
        let sealer = self.registry.sealer()?;
        let watcher = self.registry.watcher();
        let relay = self.relay;
        let beside = async {
            let relayed = async {
                if let Some(relay) = relay {
                    relay.run().await;
                }
            };
            tokio::join!(sealer.run(clock::now), watcher.run(clock::now), relayed);
        };
        let ended = tokio::select! {
            ended = &mut serving => ended,
            () = beside => Ok(Vec::new()), // it runs until the registry is closed
            () = stop => {
                // Streams would go on for as long as they may.
                self.state.ending.send_replace(true);
                let stopping = join_all(handles.iter().map(|handle| handle.stop(true)));
                tokio::join!(serving, stopping).0
            }
        };
        // Nobody is answered any more: this is the last that is to be sealed.
        if let Err(error) = sealer.seal(clock::now()).await {
            tracing::warn!(%error, "audit rows wait to be sealed until the next start");
        }
        self.registry.close().await?;
        tracing::info!("stopped");
        ended?;
        Ok(())
    }
}

fn serve(settings: &Settings, state: Data<State>) -> io::Result<(Server, SocketAddr)> {
    let server = HttpServer::new(move || app(state.clone()))
        .workers(settings.workers)
        // An event is small, and goes out at once: otherwise the second of two waits for the first to be acknowledged.
        .tcp_nodelay(true)
        .max_connections(settings.max_connections)
        .backlog(limits::LONGEST_BACKLOG)
        .keep_alive(Duration::from_secs(limits::KEEP_ALIVE_S))
        .client_request_timeout(Duration::from_secs(limits::HEADERS_TIMEOUT_S))
        .client_disconnect_timeout(Duration::from_secs(limits::DISCONNECT_TIMEOUT_S))
        .shutdown_timeout(settings.shutdown_timeout_s)
        .disable_signals()
        .bind(settings.address)?;
    let address = server.addrs().first().copied().unwrap_or(settings.address);
    Ok((server.run(), address))
}

/// All routes, in their envelope.
pub(crate) fn app(
    state: Data<State>,
) -> App<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>,
> {
    let docs = Config::from(DOCUMENT_PATH).validator_url("none").persist_authorization(false);
    let (app, _) = App::new().app_data(state).into_utoipa_app().configure(routes::register).split_for_parts();
    app.route(DOCUMENT_PATH, web::get().to(document))
        .route("/docs", web::get().to(to_docs))
        .service(SwaggerUi::new("/docs/{_:.*}").config(docs))
        .default_service(web::to(nothing))
        .wrap(from_fn(idempotency::wrap))
        .wrap(from_fn(envelope::wrap))
}

async fn document() -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "application/json")).body(openapi::openapi_json())
}

async fn to_docs() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "/docs/")).finish()
}

/// What no route took: a path that is none (404), or a method that the path does not have (405).
async fn nothing(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let Some(pattern) = request.match_pattern() else { return Err(Problem::not_found()) };
    Err(Problem::method_not_allowed(openapi::allowed_methods(&pattern).unwrap_or("GET, HEAD").to_owned()))
}

fn serve_metrics(address: SocketAddr, state: Data<State>) -> io::Result<(Server, SocketAddr)> {
    let app = move || App::new().app_data(state.clone()).route("/metrics", web::get().to(scrape));
    let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(0).bind(address)?;
    let address = server.addrs().first().copied().unwrap_or(address);
    Ok((server.run(), address))
}

async fn scrape(state: Data<State>) -> Result<HttpResponse, Problem> {
    // When the database is slow or gone, the rest is what whoever looks needs most.
    let watched = timeout(Duration::from_millis(limits::SCRAPE_READ_WITHIN_MS), watch(&state.registry)).await;
    let watched = watched.ok().and_then(Result::ok);
    let text = state.metrics.text(&state.registry.figures(), watched.as_ref()).map_err(Problem::internal)?;
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, metrics::MEDIA_TYPE)).body(text))
}

async fn watch(registry: &Registry) -> Result<Watched, StoreError> {
    let now = clock::now();
    Ok(Watched { backlog: registry.backlog(now).await?, audit_lag_ms: registry.audit_lag_ms(now).await? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::LARGEST_JSON_BODY_BYTES;
    use crate::settings::TokenSecret;
    use std::net::Ipv4Addr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;

    async fn build(folder: &tempfile::TempDir) -> Application {
        let mut settings = Settings::in_folder(folder.path());
        settings.address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        settings.metrics_address = Some(settings.address);
        settings.token_secret = TokenSecret::new(vec![1; 32]);
        settings.workers = 1;
        let opening = settings.registry.clone();
        let registry = web::block(move || Registry::open(&opening)).await.expect("a thread").expect("a registry");
        Application::build(&settings, registry).expect("a server")
    }

    async fn connect(address: SocketAddr, head: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(head.as_bytes()).await.expect("sent");
        stream
    }

    async fn reply(mut stream: TcpStream) -> String {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.expect("an answer");
        String::from_utf8(bytes).expect("a text")
    }

    #[actix_web::test]
    async fn a_server_answers_until_it_is_told_to_stop_and_ends_what_is_under_way() {
        let folder = tempfile::tempdir().expect("a folder");
        let application = build(&folder).await;
        let (address, metrics) = (application.address(), application.metrics_address().expect("an address"));
        let (stop, stopped) = oneshot::channel::<()>();
        let running = actix_web::rt::spawn(application.run_until(async move { stopped.await.expect("told") }));

        let ready = connect(address, "GET /health/ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        assert!(reply(ready).await.starts_with("HTTP/1.1 200 OK"));
        let scrape = connect(metrics, "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        let scraped = reply(scrape).await;
        let line = r#"gridwork_http_requests_total{method="GET",route="/health/ready",status="200"} 1"#;
        assert!(scraped.contains(line), "{scraped}");

        let body = r#"{"sign_in":"nobody","password":"correct horse battery"}"#;
        let head = format!(
            "POST /v1/sign-in HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let (first, second) = body.split_at(20);
        let mut under_way = connect(address, &(head + first)).await;
        // The server has begun with that request once it answers another one that came after it to its only worker.
        let after = connect(address, "GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        assert!(reply(after).await.starts_with("HTTP/1.1 200 OK"));
        stop.send(()).expect("running");
        under_way.write_all(second.as_bytes()).await.expect("sent");
        assert!(reply(under_way).await.starts_with("HTTP/1.1 401 Unauthorized"));
        running.await.expect("no panic").expect("an orderly end");
        assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    }

    #[actix_web::test]
    async fn head_is_answered_as_get_without_the_body() {
        let folder = tempfile::tempdir().expect("a folder");
        let application = build(&folder).await;
        let address = application.address();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = actix_web::rt::spawn(application.run_until(async move { stopped.await.expect("told") }));
        let mut answers = Vec::new();
        for target in ["GET /health/ready", "HEAD /health/ready", "HEAD /v1/areas", "HEAD /v1/sign-in", "HEAD /docs"] {
            let stream = connect(address, &format!("{target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
            answers.push(reply(stream).await);
        }
        let length = |answer: &str| {
            let value = answer.lines().find_map(|line| line.strip_prefix("content-length: ").map(str::to_owned));
            value.expect("a length")
        };
        assert!(answers[0].ends_with("{\"status\":\"ready\"}"), "{}", answers[0]);
        assert_eq!(length(&answers[1]), length(&answers[0]));
        for (answer, status) in answers[1..].iter().zip(["200 OK", "401 U", "405 M", "308 P"]) {
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
            assert!(answer.ends_with("\r\n\r\n"), "a body: {answer}");
        }
        stop.send(()).expect("running");
        running.await.expect("no panic").expect("an orderly end");
    }

    #[actix_web::test]
    async fn who_sends_too_much_reads_the_refusal() {
        let folder = tempfile::tempdir().expect("a folder");
        let application = build(&folder).await;
        let address = application.address();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = actix_web::rt::spawn(application.run_until(async move { stopped.await.expect("told") }));
        let head = "POST /v1/sign-in HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
        let large = 4 * LARGEST_JSON_BODY_BYTES;
        for framing in
            [format!("content-length: {large}\r\n\r\n"), format!("transfer-encoding: chunked\r\n\r\n{large:x}\r\n")]
        {
            let mut stream = connect(address, &format!("{head}{framing}")).await;
            stream.write_all(&vec![b' '; large]).await.expect("sent");
            let mut status = [0; 12];
            stream.read_exact(&mut status).await.expect("an answer");
            assert_eq!(&status, b"HTTP/1.1 413", "{framing}");
        }
        stop.send(()).expect("running");
        running.await.expect("no panic").expect("an orderly end");
    }
}
