//! Decoders of others agree with ours: libvncclient (in C, Debian's package) and noVNC (in JavaScript, from
//! npm). TigerVNC's viewer is driven in `tests/tests/viewers.rs`.
//!
//! Each is given what a server sends while a picture is drawn on by a thousand random steps, and has to
//! end with the picture as it should be. `tests/setup test` installs what this needs.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use crate::pictures::{World, scribble};
use crate::viewer::Format;

const COLUMNS: u16 = 40;
const ROWS: u16 = 12;
const STEPS: usize = 1000;

/// Where `tests/setup` puts noVNC.
fn novnc() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache")
    });
    cache.join("xenwarden/novnc-1.7.0/node_modules/@novnc/novnc")
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/decoders").join(name)
}

/// What a viewer of that format and those encodings is sent, and the picture's pixels at the end.
fn sent(format: &Format, encodings: &[i32], seed: u32) -> (Vec<u8>, Vec<u32>) {
    let mut world = World::of(COLUMNS, ROWS);
    world.set_format(format.clone());
    let message = world.viewer.set_encodings(encodings);
    world.say(&message);
    scribble(&mut world, (COLUMNS, ROWS), STEPS, seed);
    world.settle();
    (world.heard, world.viewer.pixels)
}

/// The encodings that a decoder is tried with, CopyRect with most.
const ENCODINGS: [(&str, &[i32]); 7] = [
    ("Raw", &[0]),
    ("RRE", &[2]),
    ("CoRRE", &[4, 1]),
    ("Hextile", &[5, 1]),
    ("ZRLE", &[16, 1]),
    ("Tight", &[7, 1, -224]),
    ("Tight alone", &[7, -224]),
];

#[test]
fn novncs_decoders_show_our_picture_in_every_encoding() {
    let package = novnc();
    assert!(package.join("core/rfb.js").exists(), "run tests/setup test: no {}", package.display());
    // The only format that noVNC asks for.
    let format = Format::new(32, false, Some([(255, 0), (255, 8), (255, 16)]));
    // It has no CoRRE.
    for (seed, (name, encodings)) in
        (1..).zip(ENCODINGS.iter().filter(|(name, _)| *name != "CoRRE"))
    {
        let (updates, expected) = sent(&format, encodings, seed);
        let [width, height] = [COLUMNS * 8, ROWS * 16].map(|pixels| pixels.to_string());
        let mut node = Command::new("node")
            .arg(source("novnc.mjs"))
            .arg(&package)
            .args([width, height])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = node.stdin.take().unwrap();
        let feeding = thread::spawn(move || stdin.write_all(&updates));
        let output = node.wait_with_output().unwrap();
        feeding.join().unwrap().unwrap();
        assert!(output.status.success(), "{name}: {}", output.status);
        assert!(pixels(&output.stdout, 4) == expected, "{name}: noVNC shows something else");
    }
}

/// libvncclient's program, built under a name of its own.
fn libvncclient(name: &str) -> PathBuf {
    let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let built = Command::new("cc")
        .args(["-O1", "-o"])
        .arg(&program)
        .arg(source("libvncclient.c"))
        .arg("-lvncclient")
        .status()
        .unwrap();
    assert!(built.success(), "run tests/setup test: the program does not build");
    program
}

/// Lets libvncclient show what is sent in a format and encodings, which must be our picture.
fn agrees(program: &Path, format: &Format, (name, encodings): (&str, &[i32]), seed: u32) {
    let (updates, expected) = sent(format, encodings, seed);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let channels = format.channels.unwrap();
    let numbers = channels.iter().flat_map(|(max, shift)| [u32::from(*max), (*shift).into()]);
    let words = [u32::from(port), format.bits.into()].into_iter().chain(numbers);
    let client = Command::new(program)
        .args(words.map(|number| number.to_string()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // What is announced is its own format: its ZRLE goes by that.
    let announced = format.message().split_off(4);
    let serving = thread::spawn(move || serve(&listener, &announced, &updates));
    let output = client.wait_with_output().unwrap();
    assert!(output.status.success(), "{name}, {format:?}: {}", output.status);
    serving.join().unwrap();
    let shown = pixels(&output.stdout, usize::from(format.bits / 8));
    let shown = shown.into_iter().map(|pixel| {
        if format.big_endian { pixel.swap_bytes() >> (32 - format.bits) } else { pixel }
    });
    // Bits that are no colour's may be anything.
    let colours = channels.iter().fold(0, |all, (max, shift)| all | u32::from(*max) << shift);
    let shown: Vec<u32> = shown.map(|pixel| pixel & colours).collect();
    assert!(shown == expected, "{name}, {format:?}: libvncclient shows something else");
}

#[test]
fn libvncclient_shows_our_picture_in_every_encoding_and_format() {
    let program = libvncclient("libvncclient");
    let formats = [
        (8, [(7, 5), (7, 2), (3, 0)]),
        (8, [(7, 0), (7, 3), (3, 6)]),
        (16, [(31, 11), (63, 5), (31, 0)]),
        (16, [(31, 10), (31, 5), (31, 0)]),
        (32, [(255, 16), (255, 8), (255, 0)]),
        (32, [(255, 0), (255, 8), (255, 16)]),
        (32, [(255, 24), (255, 16), (255, 8)]),
    ];
    let mut seed = 100;
    for (bits, channels) in formats {
        let format = Format::new(bits, false, Some(channels));
        for encoding in ENCODINGS {
            seed += 1;
            // Its ZRLE of 15 bits steps by 15 / 8 bytes a pixel: one.
            if encoding.0 == "ZRLE" && channels[1] == (31, 5) {
                continue;
            }
            agrees(&program, &format, encoding, seed);
        }
    }
    fs::remove_file(program).unwrap();
}

/// It asks for its own byte order only, but moves pixels as they come, so that what it shows are ours
/// in the other order: save where it takes pixels of 32 bits apart, in ZRLE and Tight.
///
/// noVNC takes pixels of 32 bits, lowest byte first, and no other. Neither has colour maps: noVNC ends the
/// connection, libvncclient does not read the map's entries, and TigerVNC's viewer calls them an error;
/// ours alone is held to those.
#[test]
fn libvncclient_shows_our_picture_in_the_other_byte_order() {
    let program = libvncclient("libvncclient-swapped");
    let formats = [
        (16, [(31, 11), (63, 5), (31, 0)]),
        (16, [(31, 0), (63, 5), (31, 11)]),
        (32, [(255, 16), (255, 8), (255, 0)]),
        (32, [(255, 8), (255, 16), (255, 24)]),
    ];
    let mut seed = 200;
    for (bits, channels) in formats {
        let format = Format::new(bits, true, Some(channels));
        for encoding in ENCODINGS {
            seed += 1;
            let takes_apart = encoding.0 == "ZRLE" || encoding.0.starts_with("Tight");
            if bits == 32 && takes_apart {
                continue;
            }
            agrees(&program, &format, encoding, seed);
        }
    }
    fs::remove_file(program).unwrap();
}

/// Says to one viewer, whatever it asks, what was sent to ours, and rings the bell.
fn serve(listener: &TcpListener, announced: &[u8], updates: &[u8]) {
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(b"RFB 003.003\n").unwrap();
    stream.read_exact(&mut [0; 12]).unwrap();
    stream.write_all(&[0, 0, 0, 1]).unwrap();
    stream.read_exact(&mut [0]).unwrap();
    let [width, height] = [COLUMNS * 8, ROWS * 16].map(u16::to_be_bytes);
    stream.write_all(&[&width[..], &height, announced, &[0, 0, 0, 1, b'x']].concat()).unwrap();
    let mut asked: TcpStream = stream.try_clone().unwrap();
    let listening = thread::spawn(move || std::io::copy(&mut asked, &mut std::io::sink()));
    stream.write_all(&[updates, &[2]].concat()).unwrap();
    // One that understands something else does not wait for more.
    stream.shutdown(Shutdown::Write).unwrap();
    // It leaves when it has heard the bell; how is its own business.
    let _left = listening.join().unwrap();
}

/// Little-endian pixels of so many bytes; of the fourth, a decoder may make what it likes.
fn pixels(bytes: &[u8], size: usize) -> Vec<u32> {
    let pixel = |bytes: &[u8]| bytes.iter().rev().fold(0, |all, byte| all << 8 | u32::from(*byte));
    bytes.chunks(size).map(pixel).collect()
}
