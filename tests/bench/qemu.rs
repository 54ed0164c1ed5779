//! QEMU's text console (`-chardev vc`) behind QEMU's own VNC server, as a peer under measurement.
//!
//! Its guest is a firmware image of a few instructions made here: told through a second serial port, it
//! prints the text that follows them in the image, or echoes what is typed.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::viewer::Viewer;

const PROGRAM: &str = "/usr/bin/qemu-system-x86_64";

/// The machine is up by then, or the bench fails.
const START_MAX: Duration = Duration::from_secs(20);

/// Its display number and RFB port: away from what people use.
const DISPLAY: &str = "127.0.0.1:791";
pub(crate) const PORT: u16 = 6691;

/// The image of a firmware, and where its code begins; what is printed stands before that.
const IMAGE: usize = 64 * 1024;
const CODE: usize = 0xff00;

/// A processor of this kind begins sixteen bytes below the image's end.
const RESET: usize = IMAGE - 16;

/// Orders to the guest, and its answers.
const PRINT: u8 = b'p';
const ECHO: u8 = b'e';
const DONE: u8 = b'D';

/// A running machine.
#[derive(Debug)]
pub(crate) struct Qemu {
    child: Child,
    folder: PathBuf,
    orders: UnixStream,
    /// Bytes that it prints when it is told once.
    pub(crate) printed: usize,
}

impl Qemu {
    /// Starts one that prints the beginning of a payload, if it is installed.
    pub(crate) fn start(payload: &[u8]) -> Result<Option<Self>, Failure> {
        if !Path::new(PROGRAM).exists() {
            println!("(no {PROGRAM}: QEMU's console is left out)");
            return Ok(None);
        }
        let folder = std::env::temp_dir().join(format!("xenwarden-qemu-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let (socket, image) = (folder.join("orders"), folder.join("firmware"));
        let text = payload.get(..CODE).unwrap_or(payload);
        fs::write(&image, firmware(text)?)?;
        let listener = UnixListener::bind(&socket)?;
        let child = Command::new(PROGRAM)
            .args(["-nodefaults", "-no-user-config", "-m", "16", "-accel", "tcg", "-bios"])
            .arg(&image)
            .args(["-chardev", "vc,id=console", "-device", "isa-serial,chardev=console"])
            .args(["-chardev", &format!("socket,id=orders,path={}", socket.display())])
            .args(["-device", "isa-serial,chardev=orders", "-vnc", DISPLAY])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let (orders, _) = listener.accept()?;
        orders.set_read_timeout(Some(START_MAX))?;
        let began = Instant::now();
        while !Viewer::answers(PORT) {
            if began.elapsed() > START_MAX {
                return Err("QEMU does not come up".into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Some(Self { child, folder, orders, printed: text.len() }))
    }

    /// Lets the guest print; gives how long it took to be absorbed.
    pub(crate) fn absorb(&mut self) -> Result<Duration, Failure> {
        let began = Instant::now();
        self.tell(PRINT)?;
        Ok(began.elapsed())
    }

    /// Lets the guest echo what is typed from now on.
    pub(crate) fn echo(&mut self) -> Result<(), Failure> {
        self.tell(ECHO)
    }

    pub(crate) fn pid(&self) -> Result<i32, Failure> {
        Ok(i32::try_from(self.child.id())?)
    }

    fn tell(&mut self, order: u8) -> Result<(), Failure> {
        self.orders.write_all(&[order])?;
        let mut answer = [0];
        self.orders.read_exact(&mut answer)?;
        if answer == [DONE] { Ok(()) } else { Err(format!("the guest says {answer:?}").into()) }
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Real-mode code for two serial ports: the console at 3F8h, orders at 2F8h.
fn firmware(text: &[u8]) -> Result<Vec<u8>, Failure> {
    let [low, high] = u16::try_from(text.len())?.to_le_bytes();
    // Each line its instructions; jumps count from their end.
    let code: [&[u8]; 28] = [
        &[0xfa, 0xfc],             // cli; cld
        &[0xb8, 0x00, 0xf0],       // mov ax, F000h
        &[0x8e, 0xd8],             // mov ds, ax
        &[0xba, 0xfd, 0x02],       // wait (7): mov dx, 2FDh
        &[0xec],                   // in al, dx
        &[0xa8, 0x01],             // test al, 1
        &[0x74, 0xf8],             // jz wait
        &[0xba, 0xf8, 0x02],       // mov dx, 2F8h
        &[0xec],                   // in al, dx
        &[0x3c, PRINT],            // cmp al, PRINT
        &[0x75, 0x11],             // jne echo
        &[0x31, 0xf6],             // xor si, si
        &[0xb9, low, high],        // mov cx, the text's length
        &[0xba, 0xf8, 0x03],       // mov dx, 3F8h
        &[0xf3, 0x6e],             // rep outsb
        &[0xb0, DONE],             // mov al, DONE
        &[0xb6, 0x02],             // mov dh, 2
        &[0xee],                   // out dx, al
        &[0xeb, 0xdf],             // jmp wait
        &[0xb0, DONE],             // echo: mov al, DONE
        &[0xee],                   // out dx, al
        &[0xba, 0xfd, 0x03],       // typed: mov dx, 3FDh
        &[0xec],                   // in al, dx
        &[0xa8, 0x01],             // test al, 1
        &[0x74, 0xf8],             // jz typed
        &[0xba, 0xf8, 0x03, 0xec], // mov dx, 3F8h; in al, dx
        &[0xee],                   // out dx, al
        &[0xeb, 0xf1],             // jmp typed
    ];
    let mut image = vec![0; IMAGE];
    let mut put = |at: usize, bytes: &[u8]| -> Result<(), Failure> {
        let place = image.get_mut(at..).and_then(|image| image.get_mut(..bytes.len()));
        place.ok_or("the firmware is too long")?.copy_from_slice(bytes);
        Ok(())
    };
    put(0, text)?;
    put(CODE, &code.concat())?;
    // jmp to the code, counted from the instruction's end.
    let distance = u16::try_from(CODE)?.wrapping_sub(u16::try_from(RESET + 3)?);
    let [low, high] = distance.to_le_bytes();
    put(RESET, &[0xe9, low, high])?;
    Ok(image)
}
