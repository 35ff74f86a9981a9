//! The master key: given in a file or in the environment, or made at the first start.

use crate::data_directory::DataDirectory;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use valetkey_model::{Entropy, Secret};
use valetkey_service::MasterKey;

/// The environment variable that may hold the master key.
pub const MASTER_KEY_VARIABLE: &str = "VALETKEY_MASTER_KEY";

const N_BYTES: usize = 32;

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MasterKeyError {
    /// The environment variable does not hold one.
    #[error("`{MASTER_KEY_VARIABLE}` holds {found}: expected 32 bytes as 64 hexadecimal digits or as base64")]
    Variable {
        /// What it holds, without the text itself.
        found: String,
    },
    /// The file's length is not that of a key.
    #[error("the master key file `{}` holds {found}: expected exactly 32", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// How many bytes.
        found: String,
    },
    /// Others may read the file.
    #[error("the master key file `{}` has mode {found:04o}: expected 0600, so that only its owner can read it", path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its mode.
        found: u32,
    },
    /// There is a database, but the key that seals its secrets is gone.
    #[error(
        "the master key file `{}` is missing, but the database beside it has keys that are sealed under it: put the file back, \
         or give the master key in another way", path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or made.
    #[error("failed to {attempt} the master key file `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What failed.
        attempt: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// The master key: from `file` if there is one, else from `variable`, the value of [`MASTER_KEY_VARIABLE`], else from the data
/// directory, where it is made (durable, mode 0600) if there is no database yet.
///
/// # Errors
///
/// As [`MasterKeyError`] says. What is given and wrong is never passed over for the next.
pub fn obtain(
    file: Option<&Path>,
    variable: Option<&OsStr>,
    directory: &DataDirectory,
    entropy: &dyn Entropy,
) -> Result<MasterKey, MasterKeyError> {
    if let Some(path) = file {
        return read(path);
    }
    if let Some(text) = variable {
        return parse(text);
    }
    let path = directory.master_key();
    match read(&path) {
        Err(MasterKeyError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            if directory.metadata().exists() {
                return Err(MasterKeyError::Missing { path });
            }
            make(&path, directory, entropy)
        }
        found => found,
    }
}

fn read(path: &Path) -> Result<MasterKey, MasterKeyError> {
    let failed = |source| MasterKeyError::File { path: path.to_owned(), attempt: "read", source };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(MasterKeyError::Mode { path: path.to_owned(), found: mode });
    }
    let mut bytes = Vec::with_capacity(N_BYTES + 1);
    file.take(N_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    // Wiped when it is dropped.
    let bytes = Secret::new(bytes);
    match bytes.expose().try_into() {
        Ok(bytes) => Ok(MasterKey::new(bytes)),
        Err(_) => {
            let n_bytes = bytes.expose().len();
            let found = if n_bytes > N_BYTES { "more than 32 bytes".to_owned() } else { format!("{n_bytes} bytes") };
            Err(MasterKeyError::Length { path: path.to_owned(), found })
        }
    }
}

fn make(path: &Path, directory: &DataDirectory, entropy: &dyn Entropy) -> Result<MasterKey, MasterKeyError> {
    let mut bytes = [0; N_BYTES];
    entropy.fill(&mut bytes);
    let made = || {
        // A file left behind by a crash is overwritten: the directory is this process's alone.
        let new = path.with_extension("key.new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        directory.sync()
    };
    made().map_err(|source| MasterKeyError::File { path: path.to_owned(), attempt: "make", source })?;
    tracing::info!(path = %path.display(), "a master key was made; back it up apart from the data");
    Ok(MasterKey::new(bytes))
}

fn parse(text: &OsStr) -> Result<MasterKey, MasterKeyError> {
    let wrong = |found: String| MasterKeyError::Variable { found };
    let Some(text) = text.to_str() else { return Err(wrong("what is not text".to_owned())) };
    let bytes = if text.len() == 2 * N_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        hexadecimal(text)
    } else {
        let standard = text.replace('-', "+").replace('_', "/");
        let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        GeneralPurpose::new(&alphabet::STANDARD, config).decode(standard).ok()
    };
    let Some(bytes) = bytes.map(Secret::new) else {
        return Err(wrong(format!("{} characters that are neither", text.chars().count())));
    };
    let found = bytes.expose().len();
    bytes.expose().try_into().map(MasterKey::new).map_err(|_| wrong(format!("{found} bytes")))
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
    Some(digits?.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}
