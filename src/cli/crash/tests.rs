use super::*;

const STORE: &str = "SAFECONDUCT_TEST_CRASH_STORE";
const COUNT: &str = "SAFECONDUCT_TEST_CRASH_COUNT";

/// Not a test of its own: the process that the tests below kill, when they start it.
#[test]
fn the_child_commits_until_it_is_killed() {
    let Some(store) = std::env::var_os(STORE) else {
        return;
    };
    let count = std::env::var(COUNT).unwrap().parse().unwrap();
    workload::commits(Path::new(&store), 1, count, &mut std::io::stdout().lock()).unwrap();
}

/// This test binary, as the child above.
fn child(dir: &Path, seed: u64, count: u64) -> std::io::Result<Command> {
    assert_eq!(seed, 1);
    let mut command = Command::new(std::env::current_exe()?);
    let name = "cli::crash::tests::the_child_commits_until_it_is_killed";
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]);
    command.env(STORE, dir).env(COUNT, count.to_string());
    Ok(command)
}

#[test]
fn killed_at_random_moments_nothing_acknowledged_is_lost() {
    // Invariant 1.
    let scratch = Scratch::new(None).unwrap();
    let mut campaign = EngineCampaign::new(scratch.store(), 1, &child).unwrap();
    let tally = kills::run(&mut campaign, 6, 1, &|_| ()).unwrap();
    assert_eq!(tally.rounds, 6);
    assert!(tally.acknowledged > 0);
}

#[test]
fn an_answer_follows_the_sync_of_the_last_write_to_the_journal() {
    // Invariant 2.
    let scratch = Scratch::new(None).unwrap();
    match order::run(&scratch.0, 12, &child) {
        Ok(seen) => assert_eq!(seen, 12),
        Err(skipped @ CrashError::Skipped(_)) => println!("{skipped}"),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn an_answer_before_the_sync_is_noticed() {
    let write = "7 pwrite64(5</s/journal/0000000001.segment>, \"x\", 1, 0) = 1\n";
    let sync = "7 fdatasync(5</s/journal/0000000001.segment>) = 0\n";
    let answer = "7 write(1<pipe:[1]>, \"ack 1\\n\", 6) = 6\n";
    assert_eq!(order::check(&[write, sync, answer].concat()), Ok(1));
    assert!(order::check(&[write, answer, sync].concat()).is_err());
    let failed = "7 fdatasync(5</s/journal/0000000001.segment>) = -1 EIO (Input/output error)\n";
    assert!(order::check(&[write, failed, answer].concat()).is_err());
    let begun = "7 fdatasync(5</s/journal/0000000001.segment> <unfinished ...>\n";
    let ended = "7 <... fdatasync resumed>) = 0\n";
    assert_eq!(order::check(&[write, begun, ended, answer].concat()), Ok(1));
    assert!(order::check(&[write, begun, answer, ended].concat()).is_err());
}

#[test]
fn a_store_that_lost_a_batch_is_noticed() {
    use crate::storage::engine::Engine;
    let engine = crate::storage::memory::MemoryEngine::new();
    for number in 1..=9 {
        engine
            .commit(&workload::batch(3, number, engine.head().size))
            .unwrap();
    }
    assert!(workload::Model::new(3).check(&engine, 10).is_err());
    assert!(workload::Model::new(4).check(&engine, 9).is_err());
    let mut model = workload::Model::new(3);
    model.advance(5);
    assert!(model.clone().check(&engine, 5).is_err());
    model.check(&engine, 8).unwrap();
}

#[test]
fn a_flipped_bit_of_an_exported_log_is_noticed_and_located() {
    // Invariant 11.
    let scratch = Scratch::new(None).unwrap();
    let campaign = flips::Campaign {
        entries: 40,
        every: 61,
        sample: 8,
        seed: 1,
    };
    let tally = flips::run(&scratch.store(), &campaign, &|_| ()).unwrap();
    assert!(tally.flips() > 5_000 && tally.sampled == 8, "{tally}");
    assert_eq!(tally.located.len(), 3, "{tally}");
}
