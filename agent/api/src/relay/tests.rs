//! How consoles end, on each transport, with an agent and a console that the tests play.

use tokio::io::duplex;
use xenwarden_model::{ConsoleOpened, Reply};

use super::*;
use crate::agent::Note;

/// What a test holds of one console.
struct Ends {
    viewer: tokio::io::DuplexStream,
    console: UnixStream,
    agent: UnixStream,
}

/// Long beside what a busy machine needs for a byte.
const IDLE: Duration = Duration::from_millis(400);

/// A console that is being relayed, and everybody's ends of it.
fn relayed(
    protocol: ConsoleProtocol,
    view_only: bool,
    transport: Transport,
    idle: Option<Duration>,
) -> (impl Future<Output = io::Result<()>>, Ends) {
    let (viewer, stream) = duplex(1024);
    let (socket, theirs) = StdStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let console = UnixStream::from_std(theirs).unwrap();
    let (note, agent) = UnixStream::pair().unwrap();
    let opened = ConsoleOpened {
        name_label: "web01".into(),
        domid: 1,
        host: "h".into(),
        other_viewers: 0,
        view_only,
        protocol,
        reading: None,
    };
    let opened = Console { socket: socket.into(), note: Note::of(note), opened };
    let run = run(stream, Vec::new(), transport, opened, idle);
    (run, Ends { viewer, console, agent })
}

fn websocket() -> Transport {
    Transport::WebSocket(Box::new(WebSocket::new()))
}

async fn all(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    // The other end may close with bytes unread.
    let _ = stream.read_to_end(&mut bytes).await;
    bytes
}

/// The close frame that output ends with.
fn close(output: &[u8]) -> (u16, &str) {
    let begin = output.iter().position(|byte| *byte == 0x88).expect("a close frame");
    let [_, length, high, low, reason @ ..] = &output[begin..] else { panic!("{output:?}") };
    assert_eq!(usize::from(*length), reason.len() + 2);
    (u16::from_be_bytes([*high, *low]), std::str::from_utf8(reason).unwrap())
}

#[tokio::test]
async fn who_types_nothing_is_told_so_and_the_agent_too() {
    let (run, mut ends) = relayed(ConsoleProtocol::Vt100, false, Transport::Raw, Some(IDLE));
    run.await.unwrap();
    let said = String::from_utf8(all(&mut ends.viewer).await).unwrap();
    assert_eq!(said, "\r\n-- closed: nothing was typed for too long --\r\n");
    assert_eq!(all(&mut ends.agent).await, b"{\"call\":\"close\",\"closing\":\"idle\"}\n");

    let (run, mut ends) = relayed(ConsoleProtocol::Rfb, false, websocket(), Some(IDLE));
    let (ran, output) = tokio::join!(run, async {
        let mut output = [0; 256];
        let length = ends.viewer.read(&mut output).await.unwrap();
        ends.viewer.shutdown().await.unwrap();
        output[..length].to_vec()
    });
    ran.unwrap();
    assert_eq!(close(&output), (4006, "nothing was typed for too long"));
}

#[tokio::test]
async fn typing_keeps_a_console_open() {
    let (run, mut ends) = relayed(ConsoleProtocol::Vt100, false, Transport::Raw, Some(IDLE));
    let began = Instant::now();
    let typing = async {
        for _ in 0..8 {
            tokio::time::sleep(IDLE / 8).await;
            ends.viewer.write_all(b"x").await.unwrap();
        }
    };
    let (ran, ()) = tokio::join!(run, typing);
    ran.unwrap();
    assert!(began.elapsed() >= IDLE * 2);
}

#[tokio::test]
async fn what_the_agent_says_comes_after_the_consoles_last_words() {
    let (run, mut ends) = relayed(ConsoleProtocol::Vt100, false, websocket(), None);
    let mut line = serde_json::to_vec(&Reply::Closed(Closing::Rebooted)).unwrap();
    line.push(b'\n');
    ends.agent.write_all(&line).await.unwrap();
    ends.console.write_all(b"Power down").await.unwrap();
    ends.console.shutdown().await.unwrap();
    let (ran, output) = tokio::join!(run, async {
        let mut output = Vec::new();
        while !output.contains(&0x88) {
            let mut chunk = [0; 256];
            let length = ends.viewer.read(&mut chunk).await.unwrap();
            output.extend_from_slice(&chunk[..length]);
        }
        ends.viewer.shutdown().await.unwrap();
        output
    });
    ran.unwrap();
    assert!(output.starts_with(b"\x82\x0aPower down"), "{output:?}");
    assert_eq!(close(&output), (4002, "the guest rebooted"));
}

#[tokio::test]
async fn who_sends_pings_and_reads_no_answer_is_not_read_any_more() {
    let (run, mut ends) = relayed(ConsoleProtocol::Rfb, false, websocket(), None);
    let pings = [0x89, 0x80, 0, 0, 0, 0].repeat(1024 * 1024);
    tokio::select! {
        _ = run => panic!("it goes on"),
        _ = ends.viewer.write_all(&pings) => panic!("it has read everything"),
        () = tokio::time::sleep(IDLE) => {}
    }
}

#[tokio::test]
async fn a_watchers_keys_reach_nobody() {
    let (run, mut ends) = relayed(ConsoleProtocol::Vt100, true, Transport::Raw, None);
    ends.viewer.write_all(b"reboot\n").await.unwrap();
    ends.viewer.shutdown().await.unwrap();
    run.await.unwrap();
    assert_eq!(all(&mut ends.console).await, b"");
    assert_eq!(all(&mut ends.agent).await, b"{\"call\":\"close\",\"closing\":\"left\"}\n");
}

#[tokio::test]
async fn a_console_goes_on_when_the_agent_goes_away() {
    let (run, mut ends) = relayed(ConsoleProtocol::Vt100, false, Transport::Raw, None);
    drop(ends.agent);
    let used = async {
        ends.viewer.write_all(b"ls\n").await.unwrap();
        let mut typed = [0; 3];
        ends.console.read_exact(&mut typed).await.unwrap();
        ends.console.write_all(b"file\n").await.unwrap();
        let mut shown = [0; 5];
        ends.viewer.read_exact(&mut shown).await.unwrap();
        drop(ends.viewer);
        (typed, shown)
    };
    let (ran, (typed, shown)) = tokio::join!(run, used);
    ran.unwrap();
    assert_eq!((&typed, &shown), (b"ls\n", b"file\n"));
}
