//! What a toolstack and xenconsoled write for a guest, in the order in which they do.
//!
//! The order is that of xl and xenconsoled 4.17: name and uuid stand long before the console, the
//! tty comes first as an empty string and only then with its name, and on the way out the console
//! goes before the domain. Deciding is pure; [`perform`] does it.

use uuid::Uuid;
use xenstore_client::wire::{Access, DomainId, Path, PathRefusal, Permissions};
use xenstore_client::{Client, ClientError, Tree};

use std::num::NonZeroU32;

/// Tries of a transaction: only this demo and its agent write there.
const TRIES: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// Bytes of output that xenconsoled keeps for a guest: what xl writes.
const CONSOLE_LIMIT: &str = "1048576";

/// A guest, as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Domain {
    pub(super) domid: DomainId,
    pub(super) number: u16,
    pub(super) uuid: Uuid,
    pub(super) name: String,
}

/// One step of a toolstack or of xenconsoled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    /// These nodes appear at once.
    Together(Vec<Node>),
    /// This node appears or changes.
    Write(Node),
    /// The store hears of the domain.
    Introduce {
        /// The frame of its xenstore ring.
        frame: u64,
        /// The event channel of that.
        port: u32,
    },
    /// This node goes, with all below it.
    Remove(String),
    /// The store hears that the domain has gone.
    Release,
}

/// A node, its value, and who may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    path: String,
    value: String,
    permissions: Permissions,
}

/// Why the store doesn't hold what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolstackError {
    /// The store refuses or is gone.
    #[error("cannot write the keys of a guest: {0}")]
    Store(#[from] ClientError),
    /// A path that can't be one.
    #[error("cannot write the keys of a guest: {0}")]
    Path(#[from] PathRefusal),
}

impl Domain {
    /// What the guest may read and nobody but dom0 may write.
    fn read_only(&self) -> Permissions {
        let guest = (self.domid, Access::Read);
        Permissions { owner: DomainId::DOM0, default: Access::None, exceptions: vec![guest] }
    }

    /// What is dom0's alone.
    fn secret() -> Permissions {
        Permissions::private(DomainId::DOM0)
    }

    /// What is the guest's own.
    fn own(&self) -> Permissions {
        Permissions::private(self.domid)
    }

    /// The guest's home.
    pub(super) fn home(&self) -> String {
        format!("/local/domain/{}", self.number)
    }

    fn vm(&self) -> String {
        format!("/vm/{}", self.uuid)
    }

    fn backend(&self) -> String {
        format!("/local/domain/0/backend/console/{}/0", self.number)
    }

    fn library(&self) -> String {
        format!("/libxl/{}", self.number)
    }

    /// Everything up to a domain whose console has its tty.
    pub(super) fn creation(&self, tty: &str) -> Vec<Deed> {
        let home = self.home();
        let seen = |path: String, value: &str| Node {
            path,
            value: value.to_owned(),
            permissions: self.read_only(),
        };
        let own = |path: String| Node { path, value: String::new(), permissions: self.own() };
        let secret =
            |path: String, value: String| Node { path, value, permissions: Self::secret() };
        let (number, vm, backend, library) =
            (self.number.to_string(), self.vm(), self.backend(), self.library());
        let mut deeds = vec![
            Deed::Together(vec![
                seen(home.clone(), ""),
                seen(vm.clone(), ""),
                secret(library.clone(), String::new()),
                seen(format!("{home}/vm"), &vm),
                seen(format!("{home}/name"), &self.name),
                seen(format!("{home}/cpu"), ""),
                seen(format!("{home}/memory"), ""),
                seen(format!("{home}/device"), ""),
                seen(format!("{home}/control"), ""),
                own(format!("{home}/control/shutdown")),
                own(format!("{home}/control/feature-poweroff")),
                own(format!("{home}/control/feature-reboot")),
                own(format!("{home}/data")),
                own(format!("{home}/drivers")),
                own(format!("{home}/feature")),
                own(format!("{home}/attr")),
                own(format!("{home}/error")),
                seen(format!("{vm}/uuid"), &self.uuid.to_string()),
                seen(format!("{vm}/name"), &self.name),
                secret(format!("{library}/type"), "pv".to_owned()),
            ]),
            Deed::Write(seen(format!("{home}/domid"), &number)),
            Deed::Write(seen(format!("{home}/store/port"), "1")),
            Deed::Write(seen(format!("{home}/store/ring-ref"), &self.store_frame().to_string())),
            Deed::Write(seen(format!("{home}/cpu/0/availability"), "online")),
            Deed::Introduce { frame: self.store_frame(), port: 1 },
            Deed::Write(seen(format!("{home}/console"), "")),
            Deed::Together(vec![
                seen(format!("{home}/console/backend"), &backend),
                seen(format!("{home}/console/backend-id"), "0"),
                seen(format!("{home}/console/limit"), CONSOLE_LIMIT),
                seen(format!("{home}/console/type"), "xenconsoled"),
                seen(format!("{home}/console/output"), "pty"),
                seen(format!("{home}/console/tty"), ""),
            ]),
            Deed::Write(seen(format!("{home}/console/port"), "2")),
            Deed::Write(seen(
                format!("{home}/console/ring-ref"),
                &(self.store_frame() + 1).to_string(),
            )),
        ];
        deeds.push(Deed::Together(vec![
            seen(backend.clone(), ""),
            seen(format!("{backend}/frontend"), &format!("{home}/console")),
            seen(format!("{backend}/frontend-id"), &number),
            seen(format!("{backend}/online"), "1"),
            seen(format!("{backend}/state"), "1"),
            seen(format!("{backend}/protocol"), "vt100"),
        ]));
        deeds.push(Deed::Together(vec![
            secret(format!("{library}/device/console/0"), String::new()),
            secret(format!("{library}/device/console/0/frontend"), format!("{home}/console")),
            secret(format!("{library}/device/console/0/backend"), backend),
        ]));
        deeds.push(Deed::Write(seen(format!("{home}/console/tty"), tty)));
        deeds
    }

    /// Everything that `xl destroy` does.
    pub(super) fn destruction(&self) -> Vec<Deed> {
        vec![
            Deed::Remove(format!("{}/console", self.home())),
            Deed::Remove(format!("{}/device/console", self.library())),
            Deed::Remove(format!("/local/domain/0/backend/console/{}", self.number)),
            Deed::Remove(self.vm()),
            Deed::Remove(self.home()),
            Deed::Remove(self.library()),
            Deed::Release,
        ]
    }

    /// A frame number that no other domain has; nothing is ever mapped.
    fn store_frame(&self) -> u64 {
        0x1000 + 2 * u64::from(self.number)
    }
}

/// Does it, one step after the other.
pub(super) async fn perform(
    store: &Client,
    domain: &Domain,
    deeds: &[Deed],
) -> Result<(), ToolstackError> {
    for deed in deeds {
        match deed {
            Deed::Together(nodes) => {
                store
                    .transact(TRIES, async |tree: &Tree| {
                        for node in nodes {
                            make(tree, node).await?;
                        }
                        Ok::<(), ToolstackError>(())
                    })
                    .await?;
            }
            Deed::Write(node) => make(store, node).await?,
            Deed::Introduce { frame, port } => {
                store.introduce(domain.domid, *frame, *port).await?;
            }
            Deed::Remove(path) => store.remove(&Path::parse(path.as_bytes())?).await?,
            Deed::Release => store.release(domain.domid).await?,
        }
    }
    Ok(())
}

async fn make(tree: &Tree, node: &Node) -> Result<(), ToolstackError> {
    let path = Path::parse(node.path.as_bytes())?;
    tree.write(&path, node.value.as_bytes()).await?;
    tree.set_permissions(&path, &node.permissions).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    fn domain() -> Domain {
        Domain {
            domid: DomainId::new(3).expect("a domain id"),
            number: 3,
            uuid: Uuid::from_u128(7),
            name: "demo3".into(),
        }
    }

    fn told(deeds: &[Deed]) -> String {
        let mut text = String::new();
        let node = |text: &mut String, indent: &str, node: &Node| {
            let Permissions { owner, exceptions, .. } = &node.permissions;
            let letters = match (*owner == DomainId::DOM0, exceptions.as_slice()) {
                (true, []) => "n0",
                (true, _) => "n0,r3",
                (false, _) => "n3",
            };
            writeln!(text, "{indent}{} = \"{}\" ({letters})", node.path, node.value).expect("text");
        };
        for deed in deeds {
            match deed {
                Deed::Together(nodes) => {
                    text.push_str("together\n");
                    nodes.iter().for_each(|one| node(&mut text, "  ", one));
                }
                Deed::Write(one) => node(&mut text, "", one),
                Deed::Introduce { frame, port } => {
                    writeln!(text, "introduce, frame {frame:#x}, port {port}").expect("text");
                }
                Deed::Remove(path) => writeln!(text, "remove {path}").expect("text"),
                Deed::Release => text.push_str("release\n"),
            }
        }
        text
    }

    #[test]
    fn a_guest_comes_and_goes_as_with_a_real_toolstack() {
        let mut life = domain().creation("/dev/pts/9");
        life.extend(domain().destruction());
        assert_eq!(told(&life), include_str!("../../tests/golden/demo-keys.txt"));
    }

    #[test]
    fn the_tty_is_empty_before_it_has_a_name_and_the_name_comes_last() {
        let told = told(&domain().creation("/dev/pts/9"));
        let lines: Vec<&str> =
            told.lines().map(str::trim).filter(|line| line.contains("console/tty")).collect();
        assert_eq!(
            lines,
            [
                "/local/domain/3/console/tty = \"\" (n0,r3)",
                "/local/domain/3/console/tty = \"/dev/pts/9\" (n0,r3)"
            ]
        );
        assert!(told.trim_end().ends_with("\"/dev/pts/9\" (n0,r3)"));
    }
}
