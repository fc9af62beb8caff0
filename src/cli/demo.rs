//! `safeconduct demo`: a town of agencies with real components, and a story in it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::demo::narrate::{Narrator, Voice};
use crate::demo::story::{self, Told};
use crate::demo::surge::{COUNT_MAX, Surge};
use crate::demo::town::{Town, TownOptions};
use crate::domain::id::CaseHandle;

/// Build a town of agencies and play a story in it, over real connections.
#[derive(Debug, Args)]
pub struct DemoCommand {
    /// End after the story; 0 if every step held, 1 if not.
    #[arg(long)]
    once: bool,
    /// Print one JSON summary for machines at the end, and nothing else on standard output.
    #[arg(long)]
    json: bool,
    /// Keep the files here; must be empty or not exist. Otherwise a temporary folder, removed at the end.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Play a surge instead: many people within one hour of simulated time, twelve houses with eighty places. Prints
    /// how each referral ended; 0 if nobody was left without an answer, 1 if somebody was.
    #[arg(long)]
    surge: bool,
    /// Draws who comes and how the houses answer.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 20_261_121,
        requires = "surge"
    )]
    seed: u64,
    /// How many people come within the hour.
    #[arg(long, value_name = "N", default_value_t = 1_000, requires = "surge",
          value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=COUNT_MAX as u64))]
    count: usize,
}

impl DemoCommand {
    /// Plays it.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let runtime = match tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
        {
            Ok(runtime) => runtime,
            Err(error) => {
                eprintln!("safeconduct: {error}");
                return ExitCode::FAILURE;
            }
        };
        let code = runtime.block_on(self.play());
        runtime.shutdown_background();
        code
    }

    async fn play(self) -> ExitCode {
        let (folder, kept) = match &self.dir {
            Some(folder) => (folder.clone(), true),
            None => {
                // Short, so that the commands at the end fit a terminal; taken names are refused below.
                let name = uuid::Uuid::new_v4().simple().to_string();
                let name = name.chars().take(12).collect::<String>();
                let name = format!("safeconduct-demo-{name}");
                (std::env::temp_dir().join(name), false)
            }
        };
        if is_used(&folder) {
            eprintln!(
                "safeconduct: {} is not empty; name an empty folder",
                folder.display()
            );
            return ExitCode::from(2);
        }
        if self.surge {
            return self.play_surge(folder, kept).await;
        }
        let binary = match std::env::current_exe() {
            Ok(binary) => binary,
            Err(error) => {
                eprintln!("safeconduct: cannot find the program itself: {error}");
                return ExitCode::from(2);
            }
        };
        let voice = if self.json {
            Voice::Silent
        } else {
            Voice::Aloud
        };
        let options = TownOptions {
            publication: Some(PUBLICATION.to_owned()),
            receipts: true,
            ..TownOptions::new(binary, folder.clone())
        };
        let Told {
            narrator,
            mut town,
            cases,
        } = story::play(options, voice).await;
        let held = narrator.all_held() && narrator.count() > 0;
        self.say_end(narrator);
        if let (false, Some(town)) = (self.once, &mut town) {
            stay(town, &cases).await;
        }
        drop(town);
        if kept {
            if !self.json {
                println!("The files are in");
                println!("{}", folder.display());
            }
        } else {
            let _ = std::fs::remove_dir_all(&folder);
        }
        if held {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    async fn play_surge(&self, folder: PathBuf, kept: bool) -> ExitCode {
        let surge = Surge {
            folder: folder.clone(),
            seed: self.seed,
            count: self.count,
        };
        let bar = indicatif::ProgressBar::new_spinner();
        let picture = surge.play(|told| bar.set_message(told.to_owned())).await;
        bar.finish_and_clear();
        if !kept {
            let _ = std::fs::remove_dir_all(&folder);
        }
        let picture = match picture {
            Ok(picture) => picture,
            Err(error) => {
                eprintln!("safeconduct: {error}");
                return ExitCode::from(2);
            }
        };
        if self.json {
            match serde_json::to_string_pretty(&picture) {
                Ok(json) => println!("{json}"),
                Err(error) => eprintln!("safeconduct: {error}"),
            }
        } else {
            for line in picture.lines() {
                println!("{line}");
            }
        }
        if picture.holds() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn say_end(&self, narrator: Narrator) {
        if self.json {
            let summary = narrator.finish();
            match serde_json::to_string_pretty(&summary) {
                Ok(json) => println!("{json}"),
                Err(error) => eprintln!("safeconduct: {error}"),
            }
            return;
        }
        let (count, took) = (narrator.count(), narrator.elapsed().as_secs_f64());
        println!();
        if narrator.all_held() {
            println!("All {count} steps held, in {took:.1} s.");
        } else {
            println!("Not every step held: see the lines with ✗ above.");
        }
    }
}

/// Whether something is in the folder already.
fn is_used(folder: &std::path::Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

/// What stands under `[publication]` of the town's router: everybody may verify what holds hashes only.
const PUBLICATION: &str = "checkpoints_and_tiles = \"public\"\n";

/// A command to be pasted: one part a line, so that it fits a terminal.
fn paste(parts: &[String]) {
    // Standard error, so that standard output stays one JSON text where that was asked for.
    eprintln!();
    eprintln!("  {}", parts.join(" \\\n    "));
}

/// The town stays up for whoever wants to look around.
async fn stay(town: &mut Town, cases: &[(&str, CaseHandle)]) {
    let published = town.router().published().port();
    let address = town.address();
    let (ombud, alpha) = (town.home("ombud"), town.home("alpha"));
    let (folder, trust) = (town.folder().display(), town.folder().join("trust"));
    let program = std::env::current_exe().unwrap_or_else(|_| "safeconduct".into());
    let router = format!("https://{}:{}", address.server_name, address.port);
    let command = |words: &str, home: &std::path::Path, more: &[String]| {
        let mut parts = vec![
            format!("{} {words}", program.display()),
            format!("--router {router}"),
            format!("--identity {}", home.display()),
            format!("--trust {}", trust.display()),
        ];
        parts.extend_from_slice(more);
        paste(&parts);
    };
    eprintln!();
    eprintln!("The town stays up until Ctrl-C. Its files are in");
    eprintln!("{folder}");
    eprintln!("Look around from another terminal; your own looking is in the log, too.");
    eprintln!();
    eprintln!("Decide every act again, as the ombudsperson:");
    let state = ombud.join("audit-state");
    command(
        "audit replay",
        &ombud,
        &[format!("--state {}", state.display())],
    );
    eprintln!();
    eprintln!("The directory, and the receipts that it keeps of its own acts, as alpha:");
    command("agency directory", &alpha, &[]);
    command("agency receipts", &alpha, &[]);
    for (person, case) in cases {
        eprintln!();
        eprintln!("Who was told what of {person}, as alpha would print it for the person:");
        command("agency disclosures", &alpha, &[format!("--case {case}")]);
    }
    eprintln!();
    eprintln!("The newest checkpoint, as any stranger may read it:");
    paste(&[
        "curl".into(),
        format!("--cacert {}", trust.join("roots.pem").display()),
        format!("https://{}:{published}/checkpoint", address.server_name),
    ]);
    // Either way the router process ends with the town.
    let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    match terminate {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
