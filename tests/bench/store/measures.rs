//! What is measured: each takes a server's socket, and gives one figure.
//!
//! All of them are asked in the same way. What the figures should come to is the table's.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::client::{Ask, Client};
use crate::{Failure, median};

/// How long one measure goes on.
const TIME: Duration = Duration::from_millis(250);
/// Connections of the measures with many.
const MANY: usize = 32;
/// Requests on their way on one connection.
const DEEP: usize = 16;
/// Writes in a transaction.
const WRITES: usize = 10;
/// Watches of one path that one write sets off.
const FAN: usize = 200;
/// Names in a folder of the large trees.
const WIDTH: usize = 100;

const VALUE: &[u8] = b"0123456789abcdef";

/// Repeats something until its time is up; how often a second, when each time counts as so many.
fn rate(count: usize, mut once: impl FnMut() -> Result<(), Failure>) -> Result<f64, Failure> {
    let began = Instant::now();
    let mut done = 0;
    while began.elapsed() < TIME {
        once()?;
        done += count;
    }
    Ok(as_figure(done) / began.elapsed().as_secs_f64())
}

fn as_figure(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::NAN, f64::from)
}

fn leaf(client: usize) -> Vec<u8> {
    format!("/bench/ops/c{client}/leaf\0").into_bytes()
}

fn crowd(socket: &Path) -> Result<Vec<Client>, Failure> {
    (0..MANY)
        .map(|number| {
            let mut client = Client::connect(socket)?;
            client.ask(Ask::Write, 0, &[&leaf(number), VALUE]);
            client.exchange(1)?;
            Ok(client)
        })
        .collect()
}

/// One read at a time: the median in microseconds.
pub(crate) fn read_alone(socket: &Path) -> Result<f64, Failure> {
    let mut clients = crowd(socket)?;
    let (client, path) = (clients.first_mut().ok_or("nobody")?, leaf(0));
    let mut times = Vec::new();
    rate(1, || {
        let began = Instant::now();
        client.ask(Ask::Read, 0, &[&path]);
        client.exchange(1)?;
        times.push(began.elapsed().as_secs_f64() * 1e6);
        Ok(())
    })?;
    Ok(median(times))
}

/// Reads on one connection, many on their way: a second.
pub(crate) fn read_deep(socket: &Path) -> Result<f64, Failure> {
    let mut clients = crowd(socket)?;
    clients.truncate(1);
    many(clients, Ask::Read, &[])
}

/// The same on many connections.
pub(crate) fn read_many(socket: &Path) -> Result<f64, Failure> {
    many(crowd(socket)?, Ask::Read, &[])
}

pub(crate) fn write_many(socket: &Path) -> Result<f64, Failure> {
    many(crowd(socket)?, Ask::Write, VALUE)
}

fn many(mut clients: Vec<Client>, ask: Ask, value: &[u8]) -> Result<f64, Failure> {
    let paths: Vec<_> = (0..clients.len()).map(leaf).collect();
    let burst = |client: &mut Client, path: &[u8]| {
        for _ in 0..DEEP {
            client.ask(ask, 0, &[path, value]);
        }
        client.send()
    };
    for (client, path) in clients.iter_mut().zip(&paths) {
        burst(client, path)?;
    }
    let rate = rate(DEEP * clients.len(), || {
        for (client, path) in clients.iter_mut().zip(&paths) {
            client.expect(DEEP, 0)?;
            burst(client, path)?;
        }
        Ok(())
    })?;
    Ok(rate)
}

/// Open, ten writes, commit, all in one go: each go opens the transaction of the next.
pub(crate) fn transactions(socket: &Path) -> Result<f64, Failure> {
    let mut client = Client::connect(socket)?;
    let mut transaction = client.begin()?;
    rate(1, || {
        fill_transaction(&mut client, transaction, 0);
        client.ask(Ask::TransactionEnd, transaction, &[b"T\0"]);
        client.ask(Ask::TransactionStart, 0, &[b"\0"]);
        client.exchange(WRITES + 1)?;
        transaction = client.begun()?;
        Ok(())
    })
}

/// The same on many connections, all open at once, each with nodes of its own. An abort ends it.
pub(crate) fn interleaved(socket: &Path) -> Result<f64, Failure> {
    let mut clients = crowd(socket)?;
    for (number, client) in clients.iter_mut().enumerate() {
        fill_transaction(client, 0, number);
        client.exchange(WRITES)?;
    }
    rate(MANY, || {
        for client in &mut clients {
            client.ask(Ask::TransactionStart, 0, &[b"\0"]);
            client.send()?;
        }
        let mut open = Vec::new();
        for client in &mut clients {
            open.push(client.begun()?);
        }
        for (number, (client, transaction)) in clients.iter_mut().zip(&open).enumerate() {
            fill_transaction(client, *transaction, number);
            client.send()?;
        }
        for (client, transaction) in clients.iter_mut().zip(&open) {
            client.expect(WRITES, 0)?;
            client.ask(Ask::TransactionEnd, *transaction, &[b"T\0"]);
            client.send()?;
        }
        clients.iter_mut().try_for_each(|client| client.expect(1, 0))
    })
}

fn fill_transaction(client: &mut Client, transaction: u32, number: usize) {
    for write in 0..WRITES {
        let path = format!("/bench/transaction/c{number}/d{write}/state\0");
        client.ask(Ask::Write, transaction, &[path.as_bytes(), b"4"]);
    }
}

/// Writes that no watch is on, while so many others are registered: a second.
pub(crate) fn write_watched(socket: &Path, watches: usize) -> Result<f64, Failure> {
    let mut watcher = Client::connect(socket)?;
    for watch in 0..watches {
        let path = format!("/bench/watched/{}/w{watch}\0", watch / WIDTH);
        watcher.ask(Ask::Watch, 0, &[path.as_bytes(), b"token\0"]);
        if (watch + 1) % DEEP == 0 || watch + 1 == watches {
            watcher.send()?;
            let count = watch % DEEP + 1;
            watcher.expect(count, count)?;
        }
    }
    let mut clients = crowd(socket)?;
    clients.truncate(1);
    many(clients, Ask::Write, VALUE)
}

/// Events that one write after another sets off: a second.
pub(crate) fn fan_out(socket: &Path) -> Result<f64, Failure> {
    let (mut watcher, mut writer) = (Client::connect(socket)?, Client::connect(socket)?);
    for watch in 0..FAN {
        let token = format!("f{watch}\0");
        watcher.ask(Ask::Watch, 0, &[b"/bench/fan\0", token.as_bytes()]);
        watcher.send()?;
        watcher.expect(1, 1)?;
    }
    rate(FAN, || {
        writer.ask(Ask::Write, 0, &[b"/bench/fan\0", b"1"]);
        writer.exchange(1)?;
        watcher.expect(0, FAN)
    })
}

/// The `index`th leaf of a large tree.
fn tree_path(index: usize) -> Vec<u8> {
    let (top, middle) = (index / (WIDTH * WIDTH), index / WIDTH % WIDTH);
    format!("/bench/tree/{top:02}/{middle:02}/n{index}\0").into_bytes()
}

/// Makes a large tree: leaves a second.
pub(crate) fn fill(socket: &Path, leaves: usize) -> Result<f64, Failure> {
    let mut client = Client::connect(socket)?;
    let began = Instant::now();
    let mut on_their_way = 0;
    for index in 0..leaves {
        client.ask(Ask::Write, 0, &[&tree_path(index), VALUE]);
        on_their_way += 1;
        if on_their_way == DEEP * 4 || index + 1 == leaves {
            client.exchange(std::mem::take(&mut on_their_way))?;
        }
    }
    Ok(as_figure(leaves) / began.elapsed().as_secs_f64())
}

/// Reads and writes of random leaves of a large tree: a second each.
pub(crate) fn scattered(socket: &Path, leaves: usize) -> Result<[f64; 2], Failure> {
    let mut client = Client::connect(socket)?;
    // A step that shares no factor with the number of leaves comes to each of them, far apart.
    let mut index = 0;
    let mut next = || {
        index = (index + 61_803) % leaves;
        tree_path(index)
    };
    let mut measure = |ask: Ask, value: &[u8]| {
        rate(DEEP, || {
            for _ in 0..DEEP {
                client.ask(ask, 0, &[&next(), value]);
            }
            client.exchange(DEEP)
        })
    };
    Ok([measure(Ask::Read, b"")?, measure(Ask::Write, VALUE)?])
}

/// Removes the large tree while another client reads: that client's longest wait, in milliseconds,
/// from before the removal until the store has been quiet for a while.
pub(crate) fn remove(socket: &Path) -> Result<f64, Failure> {
    let mut reader = Client::connect(socket)?;
    let mut remover = Client::connect(socket)?;
    reader.ask(Ask::Write, 0, &[&leaf(0), VALUE]);
    reader.exchange(1)?;
    let removing = thread::spawn(move || -> Result<(), String> {
        remover.ask(Ask::Rm, 0, &[b"/bench/tree\0"]);
        remover.exchange(1).map_err(|failure| failure.to_string())
    });
    let mut worst = Duration::ZERO;
    let mut quiet_since = Instant::now();
    let path = leaf(0);
    while !removing.is_finished() || quiet_since.elapsed() < TIME {
        let began = Instant::now();
        reader.ask(Ask::Read, 0, &[&path]);
        reader.exchange(1)?;
        worst = worst.max(began.elapsed());
        if !removing.is_finished() {
            quiet_since = Instant::now();
        }
    }
    removing.join().map_err(|_| "the remover failed")??;
    Ok(worst.as_secs_f64() * 1e3)
}
