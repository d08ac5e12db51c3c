//! How long a start takes, from the command to `/readyz`, on a database that holds something.

use super::Bench;
use crate::percentiles::Percentiles;
use crate::report::Wanted;
use crate::rig::{Rig, System};
use crate::santral::Engine;

pub async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    bench.report.heading("Start to ready on an existing database");
    for engine in bench.engines.clone() {
        let mut rig = Rig::start(&bench.place, System::Santral(engine), bench.sizes.room(1), 0).await?;
        rig.warm_up().await?;
        let Some(santral) = rig.santral() else { return Ok(()) };
        let mut times = Vec::new();
        for _ in 0..bench.sizes.starts {
            times.push(santral.restart().await?);
        }
        let times = Percentiles::of_durations(&times);
        let line = format!("  {:<22} {:.0} ms, at worst {:.0} ms", engine.name(), times.p50, times.max);
        bench.report.say(&line);
        if engine == Engine::Sqlite {
            let who = ("cold start", engine.name());
            bench.report.judge(who, "ms from start to ready (median)", times.p50, Wanted::AtMost(300.0));
        }
    }
    Ok(())
}
