use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use rstest::rstest;
use tempfile::TempDir;

use super::*;
use crate::vault::{PLATFORM, Place, wrapped_with};

fn keyring() -> (TempDir, Keyring) {
    let directory = TempDir::new().unwrap();
    let keyring = Keyring::open(&directory.path().join("data/master.key"), WhenMissing::Create).unwrap();
    (directory, keyring)
}

fn company(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn same(one: &CompanyKey, other: &CompanyKey) -> bool {
    one.bytes() == other.bytes()
}

#[test]
fn a_new_file_is_for_its_owner_only_and_reads_back() {
    let (_directory, keyring) = keyring();

    let again = Keyring::open(&keyring.path, WhenMissing::Refuse).unwrap();

    assert_eq!(again.ids(), keyring.ids());
    assert_eq!(fs::metadata(&keyring.path).unwrap().permissions().mode() & 0o7777, 0o600);
    let directory = keyring.path.parent().unwrap();
    assert_eq!(fs::metadata(directory).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_missing_file_is_not_made_when_that_is_not_allowed() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("master.key");

    let error = Keyring::open(&path, WhenMissing::Refuse).unwrap_err();

    assert!(error.to_string().contains("SANTRAL_MASTER_KEY_FILE"), "{error}");
    assert!(!path.exists());
}

#[test]
fn an_existing_file_is_never_overwritten() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("master.key");
    fs::write(&path, "not a key file").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();

    assert!(Keyring::open(&path, WhenMissing::Create).is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "not a key file");
}

#[test]
fn first_starts_at_once_agree_on_one_key() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("master.key");

    let ids: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| Keyring::open(&path, WhenMissing::Create).unwrap().ids()))
            .collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });

    assert!(ids.iter().all(|found| found.len() == 1 && *found == ids[0]), "{ids:?}");
}

#[rstest]
#[case(0o640)]
#[case(0o604)]
#[case(0o660)]
#[case(0o610)]
fn a_file_that_others_can_reach_is_refused_with_the_remedy(#[case] mode: u32) {
    let (_directory, keyring) = keyring();
    fs::set_permissions(&keyring.path, Permissions::from_mode(mode)).unwrap();

    let error = Keyring::open(&keyring.path, WhenMissing::Create).unwrap_err().to_string();

    assert!(error.contains(&format!("chmod 600 {}", keyring.path.display())), "{error}");
}

#[test]
fn a_read_only_file_of_the_owner_is_fine() {
    let (_directory, keyring) = keyring();
    fs::set_permissions(&keyring.path, Permissions::from_mode(0o400)).unwrap();
    assert!(Keyring::open(&keyring.path, WhenMissing::Refuse).is_ok());
}

#[test]
fn a_directory_in_the_files_place_is_refused() {
    let directory = TempDir::new().unwrap();
    assert!(matches!(
        Keyring::open(directory.path(), WhenMissing::Create),
        Err(VaultError::File { action: "read", .. })
    ));
}

#[test]
fn a_wrapped_key_opens_for_its_company_only() {
    let (_directory, keyring) = keyring();
    let key = CompanyKey::generate().unwrap();

    let wrapped = keyring.wrap(&key, company(1)).unwrap();

    assert!(same(&keyring.unwrap(&wrapped, company(1)).unwrap(), &key));
    assert!(matches!(keyring.unwrap(&wrapped, company(2)), Err(VaultError::DataKeyDamaged(_))));
    assert!(matches!(keyring.unwrap(&wrapped, PLATFORM), Err(VaultError::DataKeyDamaged(_))));
    assert_eq!(wrapped_with(&wrapped).unwrap(), keyring.current());
}

#[test]
fn the_platforms_key_is_wrapped_like_a_companys() {
    let (_directory, keyring) = keyring();
    let wrapped = keyring.wrap(&CompanyKey::generate().unwrap(), PLATFORM).unwrap();
    let place = Place { table: "webhooks", company: PLATFORM, row: company(9), field: "secret" };

    let sealed = keyring.unwrap(&wrapped, PLATFORM).unwrap().seal(&place, b"whsec").unwrap();

    assert_eq!(&**keyring.unwrap(&wrapped, PLATFORM).unwrap().open(&place, &sealed).unwrap(), b"whsec");
}

#[test]
fn every_bit_flip_and_truncation_of_a_wrapped_key_is_refused() {
    let (_directory, keyring) = keyring();
    let wrapped = keyring.wrap(&CompanyKey::generate().unwrap(), company(1)).unwrap();
    for bit in 0..wrapped.len() * 8 {
        let mut flipped = wrapped.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(keyring.unwrap(&flipped, company(1)).is_err(), "bit {bit}");
    }
    for length in 0..wrapped.len() {
        assert!(keyring.unwrap(&wrapped[..length], company(1)).is_err(), "length {length}");
    }
}

#[test]
fn a_rotation_adds_rewraps_and_removes() {
    let (_directory, keyring) = keyring();
    let old = keyring.current();
    let key = CompanyKey::generate().unwrap();
    let wrapped = keyring.wrap(&key, company(1)).unwrap();

    let rotation = keyring.begin_rotation().unwrap();
    let new = rotation.add_new().unwrap();
    let rewrapped = keyring.rewrap(&wrapped, company(1)).unwrap().unwrap();
    rotation.remove(old).unwrap();

    assert_eq!(keyring.ids(), [new]);
    assert_eq!(wrapped_with(&rewrapped).unwrap(), new);
    assert!(same(&keyring.unwrap(&rewrapped, company(1)).unwrap(), &key));
    assert!(keyring.rewrap(&rewrapped, company(1)).unwrap().is_none());
    let lost = keyring.unwrap(&wrapped, company(1)).unwrap_err();
    assert!(matches!(lost, VaultError::UnknownMasterKey { id, .. } if id == old), "{lost}");
    assert_eq!(fs::metadata(&keyring.path).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn a_running_server_takes_up_a_rotation_made_by_another_process() {
    let (_directory, server) = keyring();
    let command_line = Keyring::open(&server.path, WhenMissing::Refuse).unwrap();
    let new = command_line.begin_rotation().unwrap().add_new().unwrap();
    let key = CompanyKey::generate().unwrap();
    let wrapped = command_line.wrap(&key, company(1)).unwrap();

    assert!(same(&server.unwrap(&wrapped, company(1)).unwrap(), &key));
    let by_server = server.wrap(&key, company(2)).unwrap();
    assert_eq!(wrapped_with(&by_server).unwrap(), new);
}

#[test]
fn two_rotations_at_once_are_refused_and_a_finished_one_frees_the_lock() {
    let (_directory, keyring) = keyring();
    let other = Keyring::open(&keyring.path, WhenMissing::Refuse).unwrap();

    let rotation = keyring.begin_rotation().unwrap();
    assert!(matches!(other.begin_rotation(), Err(VaultError::RotationUnderWay(_))));
    drop(rotation);

    assert!(other.begin_rotation().is_ok());
}

#[test]
fn the_key_that_wraps_and_unknown_keys_are_not_removed() {
    let (_directory, keyring) = keyring();
    let rotation = keyring.begin_rotation().unwrap();

    assert!(matches!(rotation.remove(keyring.current()), Err(VaultError::CurrentKey(_))));
    assert!(matches!(rotation.remove(KeyId([0; 4])), Err(VaultError::UnknownMasterKey { .. })));
    assert_eq!(keyring.ids().len(), 1);
}

#[test]
fn a_rotation_through_a_link_replaces_the_file_and_keeps_the_link() {
    let (directory, keyring) = keyring();
    let link = directory.path().join("link.key");
    std::os::unix::fs::symlink(&keyring.path, &link).unwrap();

    let linked = Keyring::open(&link, WhenMissing::Refuse).unwrap();
    linked.begin_rotation().unwrap().add_new().unwrap();

    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    keyring.reload().unwrap();
    assert_eq!(keyring.ids().len(), 2);
}

#[test]
fn a_rotation_leaves_no_temporary_file() {
    let (_directory, keyring) = keyring();
    keyring.begin_rotation().unwrap().add_new().unwrap();
    let mut names: Vec<_> = fs::read_dir(keyring.path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["master.key", "master.key.lock"]);
}

#[test]
fn a_check_value_knows_its_key_and_betrays_a_wrong_one() {
    let (_directory, mine) = keyring();
    let (_other_directory, stranger) = keyring();
    let value = mine.check_value(mine.current()).unwrap();

    assert_eq!(mine.verify_check_value(&value).unwrap(), mine.current());
    let error = stranger.verify_check_value(&value).unwrap_err().to_string();
    assert!(error.contains(&mine.current().to_string()), "{error}");
}

#[test]
fn a_check_value_that_differs_in_any_bit_or_is_cut_is_refused() {
    let (_directory, keyring) = keyring();
    let value = keyring.check_value(keyring.current()).unwrap();
    for bit in 0..value.len() * 8 {
        let mut flipped = value.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(keyring.verify_check_value(&flipped).is_err(), "bit {bit}");
    }
    for length in 0..value.len() {
        assert!(keyring.verify_check_value(&value[..length]).is_err(), "length {length}");
    }
}

#[test]
fn keys_in_memory_survive_an_unreadable_file() {
    let (_directory, keyring) = keyring();
    let wrapped = keyring.wrap(&CompanyKey::generate().unwrap(), company(1)).unwrap();
    fs::remove_file(&keyring.path).unwrap();

    assert!(keyring.unwrap(&wrapped, company(1)).is_ok());
    assert!(keyring.wrap(&CompanyKey::generate().unwrap(), company(2)).is_err());
}

#[test]
fn debug_shows_ids_and_no_key() {
    let (_directory, keyring) = keyring();
    let file = fs::read_to_string(&keyring.path).unwrap();
    let secret = file.lines().last().unwrap().rsplit(' ').next().unwrap();

    let shown = format!("{keyring:?} {:?}", keyring.begin_rotation().unwrap());

    assert!(shown.contains(&keyring.current().to_string()) && !shown.contains(secret), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_bytes_make_unwrapping_panic_or_succeed(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let (_directory, keyring) = keyring();
        prop_assert!(keyring.unwrap(&bytes, company(1)).is_err());
        let framed = [&envelope::header(Kind::DataKey, keyring.current().0)[..], &bytes].concat();
        prop_assert!(keyring.unwrap(&framed, company(1)).is_err());
        prop_assert!(keyring.verify_check_value(&framed).is_err());
    }
}
