//! Hours instead of rounds: what grantd takes of memory, files and disk after every minute at full load.
//!
//! Nothing is compared, and nothing is judged: who reads it sees whether a column grows.

use std::path::Path;
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::load::{self, Plan};
use crate::process::Cores;
use crate::subject::Subject;
use crate::{Args, Ask, Fallible};

const MIB: f64 = 1024.0 * 1024.0;

/// Everything that `grantd` has after a minute.
struct Taken {
    resident_mib: f64,
    descriptors: usize,
    disk_mib: f64,
}

pub(crate) fn bench(args: &Args, minutes: u32, runtime: &Runtime, cores: &Cores, dir: &Path) -> Fallible<()> {
    if args.ask == Ask::Writes {
        return Err("--soak is for tokens and introspection: what writes make would grow".into());
    }
    let grantd = Subject::start_grantd(cores, &crate::setup(args), "grantd", dir)?;
    grantd.server.pause()?;
    crate::prime(runtime, args, cores, &grantd)?;
    grantd.server.resume()?;
    let plan = Plan { window: Duration::from_secs(60), warm_up: Duration::ZERO, ..crate::plan(args, cores, &grantd) };
    println!("minute  answers/s    p99 ms  p99.9 ms  RSS MiB  descriptors  disk MiB  unrecorded");
    let mut all = Vec::new();
    for minute in 1..=minutes {
        let run = runtime
            .block_on(load::run(&plan, &grantd.server))
            .map_err(|error| format!("minute {minute}: {error}{}", grantd.log_tail()))?;
        let taken = taken(&grantd, dir)?;
        println!(
            "{minute:6} {:10.0} {:9.2} {:9.2} {:8.1} {:12} {:9.1} {:11}",
            run.tokens_per_second,
            run.p99_ms,
            run.p999_ms,
            taken.resident_mib,
            taken.descriptors,
            taken.disk_mib,
            grantd.unrecorded()?
        );
        all.push(taken);
    }
    // The first minute is for caches and tables to fill.
    let (early, late) = all.split_at(all.len() / 2);
    let early = early.get(1..).filter(|some| !some.is_empty()).unwrap_or(early);
    println!("\nmost in the first half (but for its first minute) and in the second:");
    for (name, of) in [
        ("RSS MiB", (|taken| taken.resident_mib) as fn(&Taken) -> f64),
        ("descriptors", |taken| taken.descriptors as f64),
        ("disk MiB", |taken| taken.disk_mib),
    ] {
        let most = |half: &[Taken]| half.iter().map(of).fold(0.0, f64::max);
        println!("{name:12} {:9.1} {:9.1}", most(early), most(late));
    }
    Ok(())
}

fn taken(grantd: &Subject, dir: &Path) -> Fallible<Taken> {
    let mut bytes = 0;
    for file in std::fs::read_dir(dir)? {
        let metadata = file?.metadata()?;
        bytes += if metadata.is_file() { metadata.len() } else { 0 };
    }
    Ok(Taken {
        resident_mib: grantd.server.resident_mib().ok_or("its memory cannot be read")?,
        descriptors: grantd.server.descriptors().ok_or("its descriptors cannot be read")?,
        disk_mib: bytes as f64 / MIB,
    })
}
