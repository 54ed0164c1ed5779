//! The front's loop: connections, TLS, requests, and where each goes.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use restrict::Confined;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::agent::Agent;
use crate::console::{Viewing, is_console};
use crate::head::Head;
use crate::http::{Connection, INTERNAL, NOT_IMPLEMENTED, OK, Reply, Sent};
use crate::request::Place;
use crate::rpc::{self, Caller, Outcome};
use crate::settings::Settings;
use crate::upgrade::Upgrade;
use crate::value::Value;
use crate::world::Objects;
use crate::{pages, xml};

/// Clients at once, half-open ones among them: each has a descriptor, and its console two more.
const CLIENTS_MAX: usize = 10_000;
/// How long a handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// The pause after an accept that failed for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What every client is served with.
struct Front {
    tls: TlsAcceptor,
    settings: Settings,
    objects: Objects,
}

/// Serves clients, for ever. Only a confined process does.
pub(crate) async fn serve(
    _confined: &Confined,
    listener: std::net::TcpListener,
    tls: TlsAcceptor,
    settings: Settings,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let front = Rc::new(Front { tls, settings, objects: Objects::new(Agent::shown()) });
    let places = Arc::new(Semaphore::new(CLIENTS_MAX));
    loop {
        // One more waits in the listener's queue.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let front = Rc::clone(&front);
                spawn_local(async move {
                    // How a client goes is its own business.
                    let _ = front.client(stream, peer).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "can't accept a client");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Front {
    async fn client(&self, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?;
        let stream = timeout(HANDSHAKE_TIME, self.tls.accept(stream)).await??;
        let address = peer.ip().to_canonical();
        self.requests(Connection::new(stream), address, local).await
    }

    async fn requests<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut connection: Connection<S>,
        address: IpAddr,
        local: SocketAddr,
    ) -> io::Result<()> {
        loop {
            let head = match connection.head().await? {
                Sent::Head(head) => head,
                Sent::Nothing => return Ok(()),
                Sent::Wrong(status) => {
                    return connection.send(Reply::error(status, ""), false).await;
                }
            };
            let agent = &self.objects.agent;
            let viewing = Viewing { agent, address, idle: self.settings.idle };
            if head.method == "CONNECT" {
                return viewing.connect(connection, &head).await;
            }
            if head.method == "GET" && is_console(&Place::parse(&head.target)) {
                let base = self.base(&head, local);
                let own = [head.header("host").unwrap_or_default(), &base];
                return match Upgrade::read(&head, &own, &self.settings.origins) {
                    Ok(upgrade) => viewing.upgrade(connection, &head, &upgrade).await,
                    Err(reply) => connection.send(*reply, false).await,
                };
            }
            let body = match connection.body(&head).await? {
                Ok(body) => body,
                Err(status) => return connection.send(Reply::error(status, ""), false).await,
            };
            let goes_on = head.goes_on();
            let reply = self.reply(&head, &body, address, local).await;
            connection.send(reply, goes_on).await?;
            if !goes_on {
                return Ok(());
            }
        }
    }

    async fn reply(&self, head: &Head, body: &[u8], address: IpAddr, local: SocketAddr) -> Reply {
        let place = Place::parse(&head.target);
        match head.method.as_str() {
            "POST" => {
                let base = self.base(head, local);
                let caller = Caller { address, base, objects: self.objects.clone() };
                if place.path == "/jsonrpc" {
                    answer_json(&caller, body).await
                } else {
                    answer_xml(&caller, body).await
                }
            }
            "GET" => pages::page(&place.path),
            "HEAD" => Reply { body: Vec::new(), ..pages::page(&place.path) },
            "OPTIONS" => {
                let asked = head.header("access-control-request-headers").unwrap_or_default();
                let asked: String =
                    asked.chars().filter(|c| c.is_ascii_graphic()).take(200).collect();
                let reply =
                    Reply { status: OK, kind: "text/plain", headers: Vec::new(), body: Vec::new() };
                reply
                    .with("Access-Control-Allow-Origin", "*")
                    .with("Access-Control-Allow-Headers", format!("{asked}, X-Requested-With"))
                    .with("Access-Control-Allow-Methods", "PUT")
            }
            _ => Reply::error(NOT_IMPLEMENTED, ""),
        }
    }

    /// What console URLs begin with: as configured, or what the client called this host, or the
    /// address that it came to.
    fn base(&self, head: &Head, local: SocketAddr) -> String {
        let is_name = |name: &&str| {
            name.len() <= 255
                && !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
        };
        let advertised = self.settings.advertise.as_deref();
        let named = advertised.or_else(|| head.header("host").filter(is_name));
        named.map_or_else(|| local.to_string(), str::to_owned)
    }
}

fn rpc_reply(kind: &'static str, body: Vec<u8>) -> Reply {
    let reply = Reply { status: OK, kind, headers: Vec::new(), body };
    reply.with("Access-Control-Allow-Origin", "*")
}

async fn answer_json(caller: &Caller, body: &[u8]) -> Reply {
    let Some(mut call) = rpc::json::parse(body) else {
        return Reply::error(INTERNAL, "This is no JSON-RPC call.");
    };
    let parameters = std::mem::take(&mut call.parameters);
    let outcome = rpc::call(caller, &call.method, parameters).await;
    rpc_reply("application/json", call.response(&outcome))
}

async fn answer_xml(caller: &Caller, body: &[u8]) -> Reply {
    let (method, parameters) = match xml::parse(body) {
        Ok(call) => call,
        Err(error) => return Reply::error(INTERNAL, &format!("This is no XML-RPC call: {error}")),
    };
    let outcome = rpc::call(caller, &method, parameters).await;
    // The one call whose answer has no envelope.
    let value = match outcome {
        Ok(value) if method == "system.listMethods" => value,
        outcome => envelope(outcome),
    };
    rpc_reply("text/xml", xml::response(&value))
}

fn envelope(outcome: Outcome) -> Value {
    let entry = |key: &str, value| (key.to_owned(), value);
    Value::Map(match outcome {
        Ok(value) => vec![entry("Status", Value::text("Success")), entry("Value", value)],
        Err(failure) => vec![
            entry("Status", Value::text("Failure")),
            entry("ErrorDescription", Value::texts(failure.0)),
        ],
    })
}
