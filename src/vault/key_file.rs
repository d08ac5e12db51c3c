//! The master key file: strict reading, refusal of files that others can read, and changes that survive a crash.
//!
//! ```text
//! # comment
//! santral-master-key v1 mk_7f3a9c21 <base64 of 32 bytes>
//! ```
//! One key per line, the newest last.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::cipher::{self, KEY, KeyBytes};
use super::{KeyId, VaultError};
use crate::random;

const WORD: &str = "santral-master-key";
const PREAMBLE: &str = "# Santral master keys, newest last. Keep a copy apart from the database: without them every stored \
     credential is lost.\n";
/// Far more than any number of keys needs; a bigger file is some other file.
const LARGEST: u64 = 64 * 1024;

/// The file's text, wiped when dropped.
pub type Text = Zeroizing<String>;

/// The id of a master key, derived from its bytes so that a mistyped line betrays itself.
pub fn key_id(key: &[u8; KEY]) -> Result<KeyId, VaultError> {
    Ok(KeyId(*cipher::derive(key, b"master key: id")?))
}

/// Reads the keys of a file's text, oldest first. `path` is for messages.
pub fn parse(path: &Path, text: &str) -> Result<Vec<(KeyId, KeyBytes)>, VaultError> {
    let mut keys: Vec<(KeyId, KeyBytes)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = index + 1;
        let fail = |problem| VaultError::Line { path: path.to_owned(), line: number, problem };
        let (named, key) = parse_line(line).map_err(fail)?;
        let actual = key_id(&key)?;
        if actual != named {
            return Err(VaultError::Mistyped { path: path.to_owned(), line: number, named, actual });
        }
        if keys.iter().any(|(id, _)| *id == named) {
            return Err(fail("the same key stands twice"));
        }
        keys.push((named, key));
    }
    if keys.is_empty() { Err(VaultError::NoKeys(path.to_owned())) } else { Ok(keys) }
}

fn parse_line(line: &str) -> Result<(KeyId, KeyBytes), &'static str> {
    let mut words = line.split(' ');
    if words.next() != Some(WORD) {
        return Err("it does not begin with `santral-master-key`");
    }
    if words.next() != Some("v1") {
        return Err("its version is not `v1`");
    }
    let id =
        words.next().and_then(KeyId::parse).ok_or("its key id is not `mk_` and eight hexadecimal digits")?;
    let encoded = words.next().ok_or("its key is missing")?;
    if words.next().is_some() {
        return Err("something follows the key");
    }
    // The slack lets a text that is too long be decoded and refused, rather than overrun the buffer.
    let mut decoded = Zeroizing::new([0; KEY + 16]);
    let length =
        STANDARD.decode_slice(encoded, &mut *decoded).map_err(|_| "its key is not base64 of 32 bytes")?;
    let key = decoded.first_chunk::<KEY>().filter(|_| length == KEY).ok_or("its key is not 32 bytes")?;
    Ok((id, Zeroizing::new(*key)))
}

/// Reads the file, if nobody but its owner can.
pub fn read(path: &Path) -> Result<Text, VaultError> {
    let fail = |source| VaultError::File { action: "read", path: path.to_owned(), source };
    // Asked before opening, because opening a pipe would wait for its writer.
    let found = fs::metadata(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => VaultError::MissingFile(path.to_owned()),
        _ => fail(source),
    })?;
    if !found.is_file() {
        return Err(fail(io::Error::other("it is not a regular file")));
    }
    let mut file = File::open(path).map_err(fail)?;
    let metadata = file.metadata().map_err(fail)?;
    if metadata.mode() & 0o077 != 0 {
        return Err(VaultError::OpenToOthers { path: path.to_owned(), mode: metadata.mode() & 0o7777 });
    }
    if metadata.len() > LARGEST {
        return Err(fail(io::Error::other("it is too large to be one")));
    }
    // Room for all of it from the start: a growing buffer would leave unwiped copies behind.
    let mut bytes = Zeroizing::new(vec![0; usize::try_from(metadata.len()).unwrap_or_default()]);
    file.read_exact(&mut bytes).map_err(fail)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| fail(io::Error::other("it is not text")))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// `text` with a new random key as its last line, and that key's id.
pub fn with_new_key(text: &str) -> Result<(Text, KeyId), VaultError> {
    let key = Zeroizing::new(random::bytes::<KEY>());
    let id = key_id(&key)?;
    let encoded = Zeroizing::new(STANDARD.encode(*key));
    let mut longer = Zeroizing::new(String::with_capacity(PREAMBLE.len() + text.len() + 128));
    longer.push_str(if text.is_empty() { PREAMBLE } else { text });
    if !longer.ends_with('\n') {
        longer.push('\n');
    }
    for word in [WORD, " v1 ", &id.to_string(), " ", &encoded, "\n"] {
        longer.push_str(word);
    }
    Ok((longer, id))
}

/// `text` without the line of this key; comments stay.
pub fn without_key(text: &str, id: KeyId) -> Text {
    let mut shorter = Zeroizing::new(String::with_capacity(text.len() + 1));
    for line in text.lines() {
        if parse_line(line.trim_end()).is_ok_and(|(found, _)| found == id) {
            continue;
        }
        shorter.push_str(line);
        shorter.push('\n');
    }
    shorter
}

/// Puts `text` in the file's place in one step: whoever reads it sees the old keys or the new ones, even after a
/// crash. The file keeps its owner, so that a rotation by root does not lock the server out.
pub fn replace(path: &Path, text: &str) -> Result<(), VaultError> {
    let fail = |source| VaultError::File { action: "write", path: path.to_owned(), source };
    // A link is followed, so that the file itself is replaced and not the link to it.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let directory = directory(&target);
    let temporary = directory.join(format!(".master-key-{:016x}", u64::from_be_bytes(random::bytes())));
    let written = write_new(&temporary, &target, text)
        .and_then(|()| fs::rename(&temporary, &target))
        .and_then(|()| File::open(&directory)?.sync_all());
    written.map_err(|source| {
        // Best effort: after a failure the leftover is of no use, and the failure itself is what matters.
        let _ = fs::remove_file(&temporary);
        fail(source)
    })
}

fn write_new(temporary: &Path, target: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
    if let Ok(owner) = fs::metadata(target) {
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (owner.uid(), owner.gid()) {
            fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
        }
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Makes the directory of a new key file, for its owner only, when it is missing.
pub fn make_directory(path: &Path) -> Result<(), VaultError> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory(path)).map_err(|source| VaultError::File {
        action: "make the directory of",
        path: path.to_owned(),
        source,
    })
}

fn directory(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Who waits for a lock, and who gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    Wait,
    GiveUp,
}

/// Locks changes of the key file; the kernel releases the lock when the process ends, however it ends.
pub fn lock(path: &Path, patience: Patience) -> Result<File, VaultError> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut name = target.into_os_string();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    let fail = |source| VaultError::File { action: "lock", path: lock_path.clone(), source };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&lock_path)
        .map_err(fail)?;
    match patience {
        Patience::Wait => file.lock().map_err(fail)?,
        Patience::GiveUp => file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => VaultError::RotationUnderWay(lock_path.clone()),
            TryLockError::Error(source) => fail(source),
        })?,
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn read_text(text: &str) -> Result<Vec<KeyId>, VaultError> {
        Ok(parse(Path::new("master.key"), text)?.into_iter().map(|(id, _)| id).collect())
    }

    fn line() -> (String, KeyId) {
        let (text, id) = with_new_key("# c\n").unwrap();
        (text.lines().last().unwrap().to_owned(), id)
    }

    #[test]
    fn keys_are_read_in_their_order_and_comments_are_skipped() {
        let ((one, first), (other, second)) = (line(), line());
        let text = format!("# a comment\n\n{one}\r\n# between\n{other}");
        assert_eq!(read_text(&text).unwrap(), [first, second]);
    }

    #[test]
    fn a_mistyped_key_is_told_by_its_id() {
        let (good, id) = line();
        let (head, key) = good.rsplit_once(' ').unwrap();
        let typo = if key.starts_with('A') { 'B' } else { 'A' };

        let error = read_text(&format!("{head} {typo}{}", &key[1..])).unwrap_err();

        assert!(matches!(error, VaultError::Mistyped { line: 1, named, .. } if named == id));
        assert!(error.to_string().contains(&id.to_string()) && !error.to_string().contains(&key[1..]));
    }

    #[rstest]
    #[case::no_words("hello")]
    #[case::another_word("santral-master-keys v1 mk_00000000 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]
    #[case::a_later_version("santral-master-key v2 mk_00000000 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]
    #[case::an_upper_case_id(
        "santral-master-key v1 mk_0000000A AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    )]
    #[case::a_signed_id("santral-master-key v1 mk_+0000000 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]
    #[case::a_short_id("santral-master-key v1 mk_0000 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]
    #[case::no_key("santral-master-key v1 mk_00000000")]
    #[case::an_empty_key("santral-master-key v1 mk_00000000 ")]
    #[case::a_short_key("santral-master-key v1 mk_00000000 AAAA")]
    #[case::a_long_key("santral-master-key v1 mk_00000000 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    #[case::a_huge_key(&format!("santral-master-key v1 mk_00000000 {}", "A".repeat(4000)))]
    #[case::no_padding("santral-master-key v1 mk_00000000 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    #[case::not_base64("santral-master-key v1 mk_00000000 ***")]
    #[case::two_spaces("santral-master-key v1  mk_00000000 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]
    #[case::a_tail("santral-master-key v1 mk_00000000 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= more")]
    #[case::a_leading_space(
        " santral-master-key v1 mk_00000000 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    )]
    fn a_line_of_another_shape_is_refused_by_its_number(#[case] bad: &str) {
        let (good, _) = line();
        let error = read_text(&format!("{good}\n{bad}")).unwrap_err();
        assert!(matches!(error, VaultError::Line { line: 2, .. }), "{error}");
    }

    #[test]
    fn a_key_that_stands_twice_is_refused() {
        let (good, _) = line();
        assert!(matches!(read_text(&format!("{good}\n{good}")), Err(VaultError::Line { line: 2, .. })));
    }

    #[rstest]
    #[case("")]
    #[case("# nothing here\n\n")]
    fn a_file_without_keys_is_refused(#[case] text: &str) {
        assert!(matches!(read_text(text), Err(VaultError::NoKeys(_))));
    }

    #[test]
    fn removing_a_key_leaves_the_others_and_the_comments() {
        let ((one, first), (other, second)) = (line(), line());
        let text = without_key(&format!("# kept\n{one}\n{other}"), first);
        assert_eq!(text.as_str(), format!("# kept\n{other}\n"));
        assert_eq!(read_text(&text).unwrap(), [second]);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,200}", tail in "[ -~]{0,80}") {
            let _ = read_text(&text);
            let _ = read_text(&format!("santral-master-key v1 {tail}"));
        }
    }
}
