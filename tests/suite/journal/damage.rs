//! Damaged files and disks that take nothing: what can be kept is kept, what cannot is said.

use super::{ask, exported, leave_rows, program};
use crate::support::{Call, Wire, chat, wait_until};
use std::collections::BTreeSet;
use std::fs;

#[test]
fn a_damaged_journal_starts_and_is_kept_aside() {
    let (_simulator, program) = program();
    leave_rows(program.folder(), 40);
    let folder = program.folder().join("journal");
    let entry = fs::read_dir(&folder).expect("a folder").next().expect("a file").expect("a file");
    let mut bytes = fs::read(entry.path()).expect("its bytes");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    // And its end is torn.
    bytes.truncate(bytes.len() - 9);
    fs::write(entry.path(), &bytes).expect("written");

    let mut server = program.start(&[]);
    let address = server.address("clients connect to");
    server.line("a file of the journal is damaged");
    assert_eq!(ask(address, &chat("it serves", false)).status, 200);
    // One was damaged, one was torn, one came now.
    wait_until("the rows that can be read", || exported(&program).len() == 39);
    let admin = server.address("the operator connects to");
    let status = Wire::open(admin).ask(&Call::admin("GET", "/api/status")).json();
    let warnings = status["warnings"].as_array().expect("warnings");
    assert!(warnings.iter().any(|banner| banner["kind"] == "journal_damaged"), "{status}");
    assert_eq!(fs::read(entry.path().with_extension("damaged")).expect("kept"), bytes);
}

#[test]
fn a_disk_that_takes_nothing_turns_requests_away_and_loses_no_row() {
    let (_simulator, program) = program();
    // Without the signal a write beyond the limit fails, as on a full disk.
    let program = program.after("trap '' XFSZ");
    let mut server = program.start(&[]);
    let address = server.address("clients connect to");
    let mut answered: Vec<String> = Vec::new();
    let mut ask_one = |status: u16, number: usize| {
        let said = ask(address, &chat(&format!("{number}"), number.is_multiple_of(2)));
        if said.status == 200 {
            assert!(said.whole, "{}", said.text);
            answered.push(said.id);
        } else {
            assert!(said.text.contains("usage_not_recorded") && said.status == 503, "{}", said.text);
            assert!(said.text.contains("retry-after: "), "{}", said.text);
        }
        said.status == status
    };
    for number in 0..5 {
        assert!(ask_one(200, number));
    }
    server.limit_files(Some(0));
    wait_until("a request to be turned away", || ask_one(503, 5));
    assert!(ask_one(503, 6));
    server.line("cannot be written");
    server.limit_files(None);
    wait_until("requests to be served again", || ask_one(200, 7));
    server.line("the journal can be written again");
    wait_until("every row", || {
        let rows = exported(&program);
        let ids: BTreeSet<&str> = rows.iter().filter_map(|row| row["request_id"].as_str()).collect();
        answered.iter().all(|id| ids.contains(id.as_str()))
    });
}
