use super::{check, unsynced};

const SYNC: &str = "7 fdatasync(5</t/store/journal/0000000001.segment>) = 0\n";
const ASKED: &str =
    "9 recvfrom(8<TCP:[127.0.0.1:4->127.0.0.1:5]>, \"\\x17\"..., 4096, 0, NULL, NULL) = 300\n";
const REPLY: &str = "9 writev(8<TCP:[127.0.0.1:4->127.0.0.1:5]>, [{iov_base=\"\\x17\"..., iov_len=1500}], 1) = 1500\n";
const HEAD: &str =
    "9 sendto(8<TCP:[127.0.0.1:4->127.0.0.1:5]>, \"\\x17\"..., 80, MSG_NOSIGNAL, NULL, 0) = 80\n";
const WINDOW: &str =
    "9 sendto(8<TCP:[127.0.0.1:4->127.0.0.1:5]>, \"\\x17\"..., 35, MSG_NOSIGNAL, NULL, 0) = 35\n";

/// The frame of a batch with these entries, as the trace shows it.
fn write(first: u64, next: u64) -> String {
    let mut bytes = vec![0; 128];
    bytes[..8].copy_from_slice(b"SCFRAME1");
    bytes[8] = 1;
    bytes.extend(first.to_be_bytes());
    bytes.extend(next.to_be_bytes());
    let shown: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    format!("7 pwrite64(5</t/store/journal/0000000001.segment>, \"{shown}\"..., 992, 64) = 992\n")
}

/// The warm-up is entry 3; the one reply is to entry 4.
fn one(lines: &[&str]) -> Result<u64, String> {
    let warm = write(3, 4);
    let trace = [&[warm.as_str(), SYNC, REPLY, ASKED], lines].concat();
    check(&trace.concat(), 3, &[4])
}

#[test]
fn a_reply_before_the_sync_is_noticed() {
    let own = write(4, 6);
    assert_eq!(one(&[&own, SYNC, HEAD, REPLY]), Ok(1));
    assert!(one(&[&own, REPLY, SYNC]).is_err());
    assert!(one(&[&own, HEAD, SYNC, REPLY]).is_err());
    assert!(one(&[REPLY, &own, SYNC]).is_err(), "before the write");
    assert!(one(&[&own, SYNC]).is_err(), "no reply at all");
    let failed =
        "7 fdatasync(5</t/store/journal/0000000001.segment>) = -1 EIO (Input/output error)\n";
    assert!(one(&[&own, failed, REPLY]).is_err());
    let erased =
        "7 pwrite64(6</t/store/keyring/0000000001.a>, \"\\x00\"..., 64, 64) = 64\n".to_owned();
    assert!(
        one(&[&own, SYNC, &erased, REPLY]).is_err(),
        "a key is still there"
    );
}

#[test]
fn the_end_of_a_sync_counts_and_window_updates_do_not() {
    let own = write(4, 6);
    let begun = "7 fdatasync(5</t/store/journal/0000000001.segment> <unfinished ...>\n";
    let ended = "7 <... fdatasync resumed>) = 0\n";
    assert_eq!(one(&[&own, begun, WINDOW, ended, REPLY]), Ok(1));
    assert!(one(&[&own, begun, REPLY, ended]).is_err());
}

#[test]
fn a_batch_of_the_routers_own_may_cross_a_reply() {
    let (own, tick) = (write(4, 6), write(6, 7));
    assert_eq!(one(&[&own, SYNC, &tick, HEAD, REPLY, SYNC]), Ok(1));
    // The tick's sync is not the request's.
    let (tick, own) = (write(4, 5), write(5, 6));
    let trace = [
        write(3, 4).as_str(),
        SYNC,
        ASKED,
        &tick,
        SYNC,
        &own,
        REPLY,
        SYNC,
    ]
    .concat();
    assert!(check(&trace, 3, &[5]).is_err());
}

#[test]
fn a_trace_without_its_syncs_is_refused() {
    let own = write(4, 6);
    let trace = [write(3, 4).as_str(), SYNC, REPLY, ASKED, &own, SYNC, REPLY].concat();
    assert_eq!(check(&trace, 3, &[4]), Ok(1));
    assert!(check(&unsynced(&trace), 3, &[4]).is_err());
}
