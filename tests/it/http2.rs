//! HTTP/2 of the real program: many requests on one connection, and the bounds that hold up who asks for too much, takes
//! nothing, or calls everything off. The clients that keep to the protocol are here, those that do not in `http2/hostile.rs`.

mod hostile;

use std::future::Future;
use std::sync::Arc;

use actix_web::web::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use rustix::process::Signal;
use rustls::pki_types::ServerName;
use tokio::task::JoinHandle;

use crate::program::Program;
use crate::tls::{Authority, FILES, write};

/// A program that speaks TLS.
struct Server {
    program: Program,
    authority: Authority,
    _dir: tempfile::TempDir,
}

impl Server {
    fn start(settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        write(dir.path(), &authority.certificate(2090));
        let arguments = [&["dev", "--listen", "127.0.0.1:0"][..], &FILES].concat();
        let program = Program::start(dir.path(), &arguments, |command| {
            command.envs(settings.iter().copied());
        });
        Self { program, authority, _dir: dir }
    }

    /// The token request of the sample's client.
    fn form(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("grant_type", "client_credentials"),
                ("client_id", self.program.of("client_id")),
                ("client_secret", self.program.of("client_secret")),
                ("scope", "write"),
            ])
            .finish()
    }
}

/// A connection.
struct Client {
    sender: SendRequest<Bytes>,
    driven: JoinHandle<Result<(), h2::Error>>,
    url: String,
}

/// An answer, read whole.
struct Answered {
    status: u16,
    headers: http::HeaderMap,
    text: String,
}

impl Client {
    async fn connect(server: &Server) -> Self {
        let mut trust = server.authority.trust();
        trust.alpn_protocols = vec![b"h2".to_vec()];
        let listen = server.program.of("listen");
        let stream = tokio::net::TcpStream::connect(listen).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(trust));
        let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        Self { sender, driven: tokio::spawn(connection), url: format!("https://{listen}") }
    }

    /// Begins a request; its body follows.
    async fn begin(&mut self, request: http::Request<()>) -> (ResponseFuture, h2::SendStream<Bytes>) {
        let mut sender = self.sender.clone().ready().await.unwrap();
        sender.send_request(request, false).unwrap()
    }

    async fn send(&mut self, request: http::request::Builder, body: &str) -> Answered {
        let (answer, mut sending) = self.begin(request.body(()).unwrap()).await;
        sending.send_data(Bytes::copy_from_slice(body.as_bytes()), true).unwrap();
        read(answer).await
    }

    fn get(&self, path: &str) -> http::request::Builder {
        http::Request::get(format!("{}{path}", self.url))
    }

    fn post(&self, path: &str) -> http::request::Builder {
        let request = http::Request::post(format!("{}{path}", self.url));
        request.header("content-type", "application/x-www-form-urlencoded")
    }

    /// The connection is over, in good order.
    async fn ended(self) {
        drop(self.sender);
        self.driven.await.unwrap().unwrap();
    }
}

async fn read(answer: ResponseFuture) -> Answered {
    let answer = answer.await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    let (head, mut content) = answer.into_parts();
    let mut text = Vec::new();
    while let Some(part) = content.data().await {
        let part = part.unwrap();
        content.flow_control().release_capacity(part.len()).unwrap();
        text.extend_from_slice(&part);
    }
    Answered { status: head.status.as_u16(), headers: head.headers, text: String::from_utf8(text).unwrap() }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn many_tokens_at_a_time_over_one_connection() {
    let server = Server::start(&[]);
    let form = server.form();
    block_on(async {
        let mut client = Client::connect(&server).await;
        let mut answers = Vec::new();
        for _ in 0..50 {
            let (answer, mut sending) = client.begin(client.post("/oauth2/token").body(()).unwrap()).await;
            sending.send_data(Bytes::from(form.clone()), true).unwrap();
            answers.push(answer);
        }
        for answer in answers {
            let answer = read(answer).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert_eq!(answer.headers["x-content-type-options"], "nosniff");
            assert_eq!(answer.headers["content-length"], answer.text.len().to_string());
            assert!(answer.headers["date"].to_str().unwrap().ends_with(" GMT"));
            assert!(answer.text.contains("access_token"));
        }
        // A large answer, of which more is sent as it is read, and one without a body.
        let document = client.send(client.get("/openapi.json"), "").await;
        assert_eq!(serde_json::from_str::<serde_json::Value>(&document.text).unwrap()["servers"][0]["url"], client.url);
        let page = client.send(client.get("/docs"), "").await;
        assert!(page.text.len() > 100_000 && page.text.ends_with("</html>"));
        let nothing = client.send(http::Request::head(format!("{}/nowhere", client.url)), "").await;
        assert_eq!((nothing.status, nothing.text.as_str()), (404, ""));
        assert_ne!(nothing.headers["content-length"], "0");
        let broken = client.send(client.post("/oauth2/token").header("content-length", "5"), "12345").await;
        assert_eq!(broken.status, 400, "{}", broken.text);
        let tunnel = client.send(http::Request::builder().method("CONNECT").uri("localhost:443"), "").await;
        assert_eq!(tunnel.status, 404);
        client.ended().await;
    });
    server.program.stop();
}

#[test]
fn cookies_that_come_one_by_one_are_a_session_and_the_authority_is_the_host() {
    let server = Server::start(&[]);
    block_on(async {
        let mut client = Client::connect(&server).await;
        let form = format!("token={}", server.program.of("api_token"));
        let origin = client.url.clone();
        let entered = client.send(client.post("/console/sign-in").header("origin", origin), &form).await;
        assert_eq!(entered.status, 303, "{}", entered.text);
        let cookie = entered.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        assert!(cookie.starts_with("__Host-grantd_session="), "{cookie}");
        let strange = client.send(client.get("/console").header("cookie", "a=b"), "").await;
        assert_eq!(strange.status, 303);
        let several = client.get("/console").header("cookie", "a=b").header("cookie", cookie).header("cookie", "c=d");
        let page = client.send(several, "").await;
        assert_eq!(page.status, 200, "{}", page.text);
        client.ended().await;
    });
    server.program.stop();
}

#[test]
fn a_head_that_is_too_large_is_refused_and_the_connection_goes_on() {
    let server = Server::start(&[]);
    block_on(async {
        let mut client = Client::connect(&server).await;
        let with =
            |client: &Client, bytes: usize| client.get("/api/v1/health/alive").header("x-large", "~".repeat(bytes));
        let fits = client.send(with(&client, 63 * 1024), "").await;
        assert_eq!(fits.status, 200);
        // Request Header Fields Too Large: RFC 6585 5.
        let large = client.send(with(&client, 65 * 1024), "").await;
        assert_eq!(large.status, 431);
        let after = client.send(with(&client, 10), "").await;
        assert_eq!(after.status, 200);
        client.ended().await;
    });
    server.program.stop();
}

#[test]
fn a_worker_that_has_its_hands_full_says_when_to_come_back() {
    let server = Server::start(&[("GRANTD_WORKERS", "1"), ("GRANTD_LIMITS__REQUESTS", "1")]);
    block_on(async {
        let mut client = Client::connect(&server).await;
        let mut other = Client::connect(&server).await;
        let (answer, mut sending) = client.begin(client.post("/oauth2/token").body(()).unwrap()).await;
        // The server has seen it once it answers what came after it.
        for client in [&mut client, &mut other] {
            let refused = client.send(client.post("/oauth2/token"), "").await;
            assert_eq!((refused.status, &refused.headers["retry-after"]), (503, &"1".parse().unwrap()));
            assert!(refused.text.contains("temporarily_unavailable"), "{}", refused.text);
            let refused = client.send(client.get("/api/v1/keys"), "").await;
            assert_eq!((refused.status, &refused.headers["retry-after"]), (503, &"1".parse().unwrap()));
            assert!(refused.text.contains("\"type\":\"unavailable\""), "{}", refused.text);
        }
        // Told once, until there is room again.
        assert_eq!(server.program.log().matches("limits.requests").count(), 1);
        sending.send_data(Bytes::from(server.form()), true).unwrap();
        drop(sending);
        assert_eq!(read(answer).await.status, 200);
        // The place is left once the answer was written, which the client may know before the server does.
        while other.send(other.get("/api/v1/health/alive"), "").await.status == 503 {}
        let metrics = other.send(other.get("/metrics"), "").await.text;
        let refused = metrics.lines().find_map(|line| line.strip_prefix("grantd_refused_total{what=\"request\"} "));
        assert!(refused.unwrap().parse::<u64>().unwrap() >= 4);
        client.ended().await;
        other.ended().await;
    });
    server.program.stop();
}

#[test]
fn what_is_under_way_when_the_server_stops_is_answered() {
    let mut server = Server::start(&[]);
    block_on(async {
        let mut client = Client::connect(&server).await;
        let idle = Client::connect(&server).await;
        let (answer, mut sending) = client.begin(client.post("/oauth2/token").body(()).unwrap()).await;
        assert_eq!(client.send(client.get("/api/v1/health/alive"), "").await.status, 200);
        server.program.signal(Signal::TERM);
        // It says goodbye to whoever has nothing under way.
        idle.driven.await.unwrap().unwrap();
        sending.send_data(Bytes::from(server.form()), true).unwrap();
        drop(sending);
        assert_eq!(read(answer).await.status, 200);
        client.ended().await;
    });
    assert!(server.program.ended().success());
}

#[test]
fn a_connection_without_requests_is_closed_after_a_while() {
    let server = Server::start(&[("GRANTD_LIMITS__KEEP_ALIVE_SECONDS", "1")]);
    block_on(async {
        let client = Client::connect(&server).await;
        client.driven.await.unwrap().unwrap();
        // One that has a request under way stays, and answers pings meanwhile.
        let mut client = Client::connect(&server).await;
        let (answer, mut sending) = client.begin(client.post("/oauth2/token").body(()).unwrap()).await;
        let idle = Client::connect(&server).await;
        idle.driven.await.unwrap().unwrap();
        sending.send_data(Bytes::from(server.form()), true).unwrap();
        drop(sending);
        assert_eq!(read(answer).await.status, 200);
        client.driven.await.unwrap().unwrap();
    });
    server.program.stop();
}
