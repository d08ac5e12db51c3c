//! Many grants whose access tokens end within the same hour: how evenly they are renewed, what that costs, and whether
//! any is late. The hour is shortened; what renewing costs is counted apart from what passes with time alone.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hyper::StatusCode;
use hyper::header::{HeaderValue, LOCATION, SET_COOKIE};

use super::Bench;
use crate::crm::{Crm, platform_key};
use crate::http::{Call, Connection};
use crate::idp::Idp;
use crate::report::Wanted;
use crate::santral::Santral;

/// Connections that consent side by side.
const HANDS: usize = 16;
const HOUR: f64 = 3_600.0;
/// In which renewals are counted together: a few of the server's looks for what is due.
const STEP: Duration = Duration::from_secs(30);
/// How long the server is watched before it has anything to renew.
const EMPTY: Duration = Duration::from_secs(10);

pub async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let (grants, lifetime) = (bench.sizes.grants, bench.sizes.token_lifetime);
    bench.report.heading(&format!("{grants} access tokens that end in the same hour"));
    for engine in bench.engines.clone() {
        let idp = Idp::start(grants, lifetime).await?;
        let santral = Santral::start_with(&bench.place, engine, idp.environment()).await?;
        let empty = Window::open(&santral)?;
        tokio::time::sleep(EMPTY).await;
        let empty = empty.share(&santral)?;
        let began = Instant::now();
        connect(santral.address(), grants).await?;
        let connected = began.elapsed();
        ensure!(idp.renewals().is_empty(), "connecting took too long: {connected:?}");

        let quiet = Window::open(&santral)?;
        while idp.renewals().is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let idle = quiet.share(&santral)?;
        let busy = Window::open(&santral)?;
        while idp.renewals().len() < grants {
            ensure!(began.elapsed() < connected + 3 * lifetime, "not all tokens were renewed");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let renewing = busy.cpu(&santral)? - idle * busy.began.elapsed().as_secs_f64();
        let each = renewing / grants as f64;
        // Looking for what is due costs something although nothing is.
        let looking = (idle - empty).max(0.0);
        let hour = (renewing / HOUR + looking) * 100.0;
        bench.report.say(&format!(
            "  {:<22} {:.2} ms of processor time for each renewal; looking for them {:.2} % of a core, all else {:.2} %",
            engine.name(),
            each * 1000.0,
            looking * 100.0,
            empty * 100.0
        ));
        let who = ("refresh", engine.name());
        bench.report.judge(who, "% of one core over the hour, database included", hour, Wanted::AtMost(2.0));
        let evenness = busiest(&idp.renewals());
        bench.report.judge(who, "times the mean in the busiest half minute", evenness, Wanted::AtMost(2.0));
        bench.report.judge(who, "renewed too late", idp.late() as f64, Wanted::AtMost(0.0));
    }
    Ok(())
}

/// A stretch of time, and the processor time that is used in it.
struct Window {
    began: Instant,
    before: f64,
}

impl Window {
    fn open(santral: &Santral) -> anyhow::Result<Self> {
        Ok(Self { began: Instant::now(), before: santral.cpu()? })
    }

    fn cpu(&self, santral: &Santral) -> anyhow::Result<f64> {
        Ok(santral.cpu()? - self.before)
    }

    /// Of one core.
    fn share(&self, santral: &Santral) -> anyhow::Result<f64> {
        Ok(self.cpu(santral)? / self.began.elapsed().as_secs_f64())
    }
}

/// How many times the mean the fullest of equal steps holds.
fn busiest(times: &[Instant]) -> f64 {
    let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) else { return 0.0 };
    let step = |time: &Instant| time.duration_since(*first).as_millis() / STEP.as_millis();
    let steps = usize::try_from(step(last)).unwrap_or_default() + 1;
    let mut counts = vec![0_usize; steps];
    for time in times {
        if let Some(count) = counts.get_mut(usize::try_from(step(time)).unwrap_or_default()) {
            *count += 1;
        }
    }
    let most = counts.iter().max().copied().unwrap_or_default();
    most as f64 * steps as f64 / times.len() as f64
}

/// Companies by number, each with one account.
async fn connect(address: SocketAddr, grants: usize) -> anyhow::Result<()> {
    let mut hands = Vec::new();
    for hand in 0..HANDS {
        hands.push(tokio::spawn(async move {
            let mut crm = Crm::new(address).await?;
            let mut browser = Connection::open(address).await?;
            for number in (0..grants).skip(hand).step_by(HANDS) {
                let company = crm.company(&format!("company-{number}")).await?;
                consent(&mut browser, company, number).await?;
            }
            anyhow::Ok(())
        }));
    }
    for hand in hands {
        hand.await??;
    }
    Ok(())
}

/// There and back, as a browser goes; the consent page itself is left out.
async fn consent(browser: &mut Connection, company: HeaderValue, number: usize) -> anyhow::Result<()> {
    const PATH: &str = "/api/integrations/oauth/google";
    let begin = Call {
        key: Some(platform_key()?),
        company: Some(company),
        ..Call::get(&format!("{PATH}/authorize?services=gmail"))
    };
    let begun = browser.ask(begin).await?;
    ensure!(begun.status() == StatusCode::FOUND, "a consent does not begin: {}", begun.status());
    let header = |name| begun.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let location = header(LOCATION).context("no consent page")?;
    let state =
        location.split(['?', '&']).find_map(|pair| pair.strip_prefix("state=")).context("no state")?;
    let cookie = header(SET_COOKIE).and_then(|cookie| cookie.split(';').next()).context("no cookie")?;
    let back = Call {
        cookie: Some(HeaderValue::try_from(cookie)?),
        ..Call::get(&format!("{PATH}/callback?state={state}&code=c-{number}"))
    };
    let (status, answer) = browser.send(back).await?;
    ensure!(status == StatusCode::OK, "a consent ends with {status}: {}", String::from_utf8_lossy(&answer));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_evenly_is_once_the_mean_and_what_comes_at_once_many_times() {
        let begin = Instant::now();
        let even: Vec<_> = (0..1_200).map(|n| begin + Duration::from_secs(n)).collect();
        assert!((busiest(&even) - 1.0).abs() < 0.01);
        let burst: Vec<_> = even.iter().copied().chain((0..1_200).map(|_| begin)).collect();
        assert!(busiest(&burst) > 5.0);
        assert_eq!(busiest(&[]), 0.0);
    }
}
