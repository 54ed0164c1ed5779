//! The certificate, given or made on the first start, and TLS with it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::settings::Settings;

/// Where a certificate of its own is, below the state folder.
const FOLDER: &str = "tls";
const CERTIFICATE: &str = "cert.pem";
const KEY: &str = "key.pem";
/// A longer file holds no certificate or key.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file can't be read or written.
    #[error("keep the certificate in {}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// A file holds no certificate or key.
    #[error("read {}", path.display())]
    Pem { path: PathBuf, source: rustls::pki_types::pem::Error },
    /// No certificate could be made.
    #[error("make a certificate")]
    Make(#[from] rcgen::Error),
    /// Certificate and key are not of each other, or of no use.
    #[error("use the certificate")]
    Use(#[from] rustls::Error),
}

/// Reads or makes the certificate.
pub(crate) fn acceptor(settings: &Settings) -> Result<TlsAcceptor, TlsError> {
    let (certificate, key) = match &settings.certificate {
        Some(given) => given.clone(),
        None => own(settings)?,
    };
    let chain = CertificateDer::pem_slice_iter(&read(&certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsError::Pem { path: certificate, source })?;
    let secret = PrivateKeyDer::from_pem_slice(&read(&key)?)
        .map_err(|source| TlsError::Pem { path: key, source })?;
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, secret)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes))
        .map_err(|source| TlsError::File { path: path.to_owned(), source })?;
    Ok(bytes)
}

/// The certificate that signs itself: of this host's name and the addresses that it listens at.
fn own(settings: &Settings) -> Result<(PathBuf, PathBuf), TlsError> {
    let folder = settings.state_dir.join(FOLDER);
    let (certificate, key) = (folder.join(CERTIFICATE), folder.join(KEY));
    if certificate.exists() && key.exists() {
        return Ok((certificate, key));
    }
    let made = rcgen::generate_simple_self_signed(names(settings))?;
    let fault = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::File { path, source }
    };
    fs::create_dir_all(&folder).map_err(fault(&folder))?;
    // The certificate last: with it there is a key.
    write(&key, made.signing_key.serialize_pem().as_bytes(), 0o600).map_err(fault(&key))?;
    write(&certificate, made.cert.pem().as_bytes(), 0o644).map_err(fault(&certificate))?;
    Ok((certificate, key))
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = File::options().write(true).create_new(true).mode(mode).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

fn names(settings: &Settings) -> Vec<String> {
    let hostname = nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned();
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let advertised = settings.advertise.as_deref().map(|name| {
        // Without its port; an IPv6 address stands in brackets.
        let name = name
            .rsplit_once(':')
            .filter(|(_, port)| port.parse::<u16>().is_ok())
            .map_or(name, |(name, _)| name);
        name.trim_matches(['[', ']']).to_owned()
    });
    let listen = Some(settings.listen.ip()).filter(|ip| !ip.is_unspecified());
    names.extend(listen.map(|ip: IpAddr| ip.to_string()));
    names.extend(advertised);
    // rcgen takes names of ASCII only.
    names.extend(Some(hostname).filter(|name| !name.is_empty() && name.is_ascii()));
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn settings(folder: &Path) -> Settings {
        Settings {
            listen: "127.0.0.1:8443".parse().unwrap(),
            origins: Vec::new(),
            idle: None,
            advertise: Some("[2001:db8::1]:443".into()),
            certificate: None,
            state_dir: folder.to_owned(),
            run_dir: folder.to_owned(),
            uid: 1,
        }
    }

    #[test]
    fn a_certificate_is_made_once_and_its_key_is_roots() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        acceptor(&settings).unwrap();
        let certificate = fs::read(folder.path().join("tls/cert.pem")).unwrap();
        acceptor(&settings).unwrap();
        assert_eq!(fs::read(folder.path().join("tls/cert.pem")).unwrap(), certificate);
        let key = fs::metadata(folder.path().join("tls/key.pem")).unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
        assert!(names(&settings).contains(&"2001:db8::1".to_owned()));
    }

    #[test]
    fn a_file_without_a_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        acceptor(&settings).unwrap();
        fs::write(folder.path().join("tls/key.pem"), "nothing").unwrap();
        let error = acceptor(&settings).err().unwrap();
        assert!(error.to_string().contains("key.pem"), "{error}");
    }
}
