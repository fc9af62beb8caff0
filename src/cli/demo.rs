//! `safeconduct demo`: a town of agencies with real components, and a story in it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::demo::narrate::{Narrator, Voice};
use crate::demo::story;
use crate::demo::surge::{COUNT_MAX, Surge};
use crate::demo::town::{Town, TownOptions};

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
                let name = format!("safeconduct-demo-{}", uuid::Uuid::new_v4().simple());
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
        let (narrator, town) = story::play(TownOptions::new(binary, folder.clone()), voice).await;
        let held = narrator.all_held() && narrator.count() > 0;
        self.say_end(narrator);
        if let (false, Some(town)) = (self.once, &town) {
            stay(town).await;
        }
        drop(town);
        if kept {
            if !self.json {
                println!("The files are in {}.", folder.display());
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

/// The town stays up for whoever wants to look around.
async fn stay(town: &Town) {
    let address = town.address();
    let (home, folder) = (town.home("ombud"), town.folder());
    let program = std::env::current_exe().unwrap_or_else(|_| "safeconduct".into());
    let (program, trust) = (program.display(), folder.join("trust"));
    let router = format!("https://{}:{}", address.server_name, address.port);
    let alpha = town.home("alpha");
    // Standard error, so that standard output stays one JSON text where that was asked for.
    eprintln!();
    eprintln!("The town stays up until Ctrl-C. Its files are in");
    eprintln!("{}.", folder.display());
    eprintln!("Look around from another terminal; your own looking is in the log, too:");
    eprintln!();
    eprintln!("  {program} audit replay \\");
    eprintln!("    --router {router} \\");
    eprintln!("    --identity {} \\", home.display());
    eprintln!("    --trust {} \\", trust.display());
    eprintln!("    --state {}", home.join("audit-state").display());
    eprintln!();
    eprintln!("  {program} agency directory \\");
    eprintln!("    --router {router} \\");
    eprintln!("    --identity {} \\", alpha.display());
    eprintln!("    --trust {}", trust.display());
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
