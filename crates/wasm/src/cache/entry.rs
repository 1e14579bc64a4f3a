//! How an entry is written: a header that names it, a seal over all of it, what its host noted of it, and the native code.
//!
//! | bytes | what |
//! |---|---|
//! | 16 | what it is, and the version of this table |
//! | 16 | which key it is sealed with |
//! | 32 | the hash of the component it was compiled from |
//! | 32 | the hash of what the engine's code depends on |
//! | 8 | how many bytes of note follow, little-endian |
//! | 8 | and how many of code |
//! | 32 | the seal: a keyed hash of all of the above and what follows |

use std::hash::{Hash, Hasher};

use super::BadEntry;

const MAGIC: &[u8; 16] = b"setpoint-code-2\n";
/// Before the seal.
const NAMED: usize = 16 + 16 + 32 + 32 + 8 + 8;
const HEADER: usize = NAMED + blake3::OUT_LEN;

/// Whether `bytes` begin as an entry, of this or another version, does.
pub(crate) fn is_entry(bytes: &[u8]) -> bool {
    bytes.starts_with(b"setpoint-code-")
}

/// What an entry is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    pub(super) source: blake3::Hash,
    pub(super) engine: blake3::Hash,
}

/// What an entry holds whose seal was whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsealed<'a> {
    pub(super) note: &'a [u8],
    pub(super) code: Code<'a>,
}

/// Code whose seal was whole. Made by [`Key::open`] alone.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Code<'a>(&'a [u8]);

impl<'a> Code<'a> {
    pub(super) const fn bytes(&self) -> &'a [u8] {
        self.0
    }
}

/// What seals entries.
pub(super) struct Key {
    key: [u8; Self::BYTES],
    /// Tells keys apart, and nothing about them.
    id: [u8; 16],
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Key {
    pub(super) const BYTES: usize = blake3::KEY_LEN;

    pub(super) fn new(key: [u8; Self::BYTES]) -> Self {
        let mut id = [0; 16];
        let derived = blake3::derive_key("setpoint plugin cache 1: which key it is", &key);
        id.copy_from_slice(&derived[..16]);
        Self { key, id }
    }

    fn named(&self, names: &Names, note: u64, code: u64) -> Vec<u8> {
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&self.id);
        header.extend_from_slice(names.source.as_bytes());
        header.extend_from_slice(names.engine.as_bytes());
        header.extend_from_slice(&note.to_le_bytes());
        header.extend_from_slice(&code.to_le_bytes());
        header
    }

    fn seal_of(&self, parts: &[&[u8]]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        for part in parts {
            hasher.update(part);
        }
        hasher.finalize()
    }

    /// What stands before `note` and `code` in their entry.
    pub(super) fn seal(&self, names: &Names, note: &[u8], code: &[u8]) -> Vec<u8> {
        let mut header = self.named(names, note.len() as u64, code.len() as u64);
        let seal = self.seal_of(&[&header, note, code]);
        header.extend_from_slice(seal.as_bytes());
        header
    }

    /// What `entry` holds, if it was sealed with this key under these names.
    pub(super) fn open<'a>(&self, names: &Names, entry: &'a [u8]) -> Result<Unsealed<'a>, BadEntry> {
        if !entry.starts_with(MAGIC) {
            return Err(BadEntry::Foreign);
        }
        let bytes = entry.len() as u64;
        let Some((header, held)) = entry.split_at_checked(HEADER) else {
            return Err(BadEntry::Length { bytes, wants: HEADER as u64 });
        };
        let (named, seal) = header.split_at(NAMED);
        let should = self.named(names, 0, 0);
        // Field by field, to say which one is wrong; the seal is over all of them.
        let differs = |range: std::ops::Range<usize>| named[range.clone()] != should[range];
        if differs(16..32) {
            return Err(BadEntry::OtherKey);
        }
        if differs(32..64) {
            return Err(BadEntry::Misplaced { what: "component" });
        }
        if differs(64..96) {
            return Err(BadEntry::Misplaced { what: "engine" });
        }
        let length = |at: usize| u64::from_le_bytes(named[at..at + 8].try_into().expect("8 bytes"));
        let (noted, coded) = (length(96), length(104));
        let wants = noted.saturating_add(coded).saturating_add(HEADER as u64);
        let split = usize::try_from(noted).ok().and_then(|noted| held.split_at_checked(noted));
        let Some((note, code)) = split.filter(|_| wants == bytes) else {
            return Err(BadEntry::Length { bytes, wants });
        };
        let seal: [u8; blake3::OUT_LEN] = seal.try_into().expect("a header ends with a seal");
        // Compared in constant time, as these hashes are.
        if self.seal_of(&[named, note, code]) != blake3::Hash::from_bytes(seal) {
            return Err(BadEntry::Altered);
        }
        Ok(Unsealed { note, code: Code(code) })
    }
}

/// A hash that is the same in every process, of what can be hashed.
pub(super) fn hash_of(what: &impl Hash) -> blake3::Hash {
    struct Collected(blake3::Hasher);

    impl Hasher for Collected {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }

        fn finish(&self) -> u64 {
            let mut first = [0; 8];
            first.copy_from_slice(&self.0.finalize().as_bytes()[..8]);
            u64::from_le_bytes(first)
        }
    }

    let mut collected = Collected(blake3::Hasher::new());
    what.hash(&mut collected);
    collected.0.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTE: &[u8] = b"as if it were a note";
    const CODE: &[u8] = b"as if it were native code";

    fn names(source: &[u8], engine: &[u8]) -> Names {
        Names { source: blake3::hash(source), engine: blake3::hash(engine) }
    }

    fn entry(key: &Key, names: &Names) -> Vec<u8> {
        [key.seal(names, NOTE, CODE).as_slice(), NOTE, CODE].concat()
    }

    #[test]
    fn what_was_sealed_is_opened_and_no_bit_of_it_may_differ() {
        let (key, names) = (Key::new([7; Key::BYTES]), names(b"component", b"engine"));
        let whole = entry(&key, &names);
        assert_eq!(key.open(&names, &whole), Ok(Unsealed { note: NOTE, code: Code(CODE) }));
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[at] ^= 1 << bit;
                assert!(key.open(&names, &changed).is_err(), "bit {bit} of byte {at}");
            }
        }
        for cut in 0..whole.len() {
            assert!(key.open(&names, &whole[..cut]).is_err(), "cut at {cut}");
        }
        let mut longer = whole;
        longer.push(0);
        assert!(key.open(&names, &longer).is_err(), "a byte more");
    }

    #[test]
    fn a_header_rewritten_for_another_name_does_not_fit_its_seal() {
        let (key, other) = (Key::new([7; Key::BYTES]), Key::new([8; Key::BYTES]));
        let (right, wrong) = (names(b"component", b"engine"), names(b"another", b"engine"));
        let mut renamed = entry(&key, &wrong);
        renamed[..NAMED].copy_from_slice(&key.named(&right, NOTE.len() as u64, CODE.len() as u64));
        assert_eq!(key.open(&right, &renamed).err(), Some(BadEntry::Altered));
        let mut rekeyed = entry(&other, &right);
        rekeyed[..NAMED].copy_from_slice(&key.named(&right, NOTE.len() as u64, CODE.len() as u64));
        assert_eq!(key.open(&right, &rekeyed).err(), Some(BadEntry::Altered));
    }

    #[test]
    fn a_hash_depends_on_all_that_is_hashed() {
        assert_eq!(hash_of(&("a", 1)), hash_of(&("a", 1)));
        assert_ne!(hash_of(&("a", 1)), hash_of(&("a", 2)));
    }
}
