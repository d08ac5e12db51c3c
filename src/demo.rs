//! `santral demo`: the server beside simulated vendors, with a company, a mailbox and automations, in one process.
//!
//! Nothing leaves the machine, and no `SANTRAL_…` variable is read.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use santral_connectors::REGISTRY;
use santral_connectors::idp::{IDPS, google};
use santral_sandbox::vendors::oauth::CLIENT_SECRET;
use santral_sandbox::{Sandbox, SandboxConfig};
use serde_json::{Value, json};
use url::Url;

use crate::app::{App, AppState, first_platform_key};
use crate::automation::presets;
use crate::automations::presets::{PresetRequest, create_from_preset};
use crate::cli::Demo;
use crate::companies::manage::{self, CompanyRequest};
use crate::companies::setup::Setup;
use crate::config::variables as var;
use crate::config::{Config, Environment, Known, Settings};
use crate::connections::oauth::{Asked, Wish, tickets};
use crate::connections::save::{SaveRequest, save};
use crate::error::AppError;
use crate::ids::CompanyId;
use crate::ingest::{Item, Stored, plan};
use crate::run::{serve_until, stop_signal};
use crate::sessions::{Role, SessionRequest, UserRequest};
use crate::store::keys;
use crate::telemetry::{Format, Metrics, Secret, init_logging, install_panic_hook};
use crate::tokens::Token;
use crate::{catalogue, operator, server, sessions};

/// How the demo's company is known to the demo's CRM.
const EXTERNAL_ID: &str = "demo";
/// Providers whose simulated vendor is the sandbox.
const MESSAGING: [&str; 6] = ["netgsm", "iletimerkezi", "twilio", "vonage", "whatsapp", "twilio_whatsapp"];
/// Presets that work with a mailbox alone.
const PRESETS: [&str; 4] = ["deal_created", "quote_created", "invoice_created", "invoice_paid"];

/// Runs until it is stopped.
pub(crate) async fn run(demo: Demo) -> anyhow::Result<()> {
    init_logging("warn", Format::of_stderr())?;
    install_panic_hook();
    let taken = |address| {
        format!(
            "cannot listen on {address}: stop what uses it, or choose another with --listen and --sandbox-listen"
        )
    };
    let listener = server::bind(demo.listen).await.with_context(|| taken(demo.listen))?;
    let sandbox = Sandbox::start(SandboxConfig {
        listen: demo.sandbox_listen,
        smtp: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        receipts: Some(Duration::from_secs(3)),
        ..SandboxConfig::default()
    })
    .await
    .with_context(|| taken(demo.sandbox_listen))?;
    std::fs::create_dir_all(&demo.data_dir)
        .with_context(|| format!("cannot create {}", demo.data_dir.display()))?;
    let address = listener.local_addr()?;
    let mut config = config(&demo, address, &sandbox)?;
    let vendors = sandbox.http_url().parse::<Url>().context("the sandbox's address")?;
    config.provider_urls.extend(MESSAGING.into_iter().map(|provider| (provider, vendors.clone())));
    let app = App::start(config, Metrics::install()?).await?;
    let key = platform_key(&app).await?;
    let pages = furnish(&app, &sandbox).await;
    let pages = pages.map_err(|error| anyhow::anyhow!("the demo cannot be set up: {error:?}"))?;
    let consent = consent_link(&app).await;
    let consent = consent.map_err(|error| anyhow::anyhow!("the demo cannot be set up: {error:?}"))?;
    println!("{}", welcome(address, &sandbox, &key, (&pages, &consent)));
    if let Some(link) = operator::first_link(&app).await? {
        println!(
            "  console       {}\n                what who hosts it sees; the link works once, within a day\n",
            link.expose()
        );
    }
    serve_until(app, listener, stop_signal()?).await?;
    sandbox.shutdown().await;
    Ok(())
}

/// A link that connects Gmail by clicking through the sandbox's consent page.
async fn consent_link(app: &AppState) -> Result<String, AppError> {
    let (company, _) = manage::put(app, company()).await?;
    let setup = setup(app, company.id).await?;
    let asked = Asked { services: vec!["gmail".to_owned()], ..Asked::default() };
    let wish = Wish::read(app, &setup, &google::IDP, asked)?;
    Ok(tickets::create(app, &setup, &google::IDP, &wish).await?.url)
}

fn company() -> CompanyRequest {
    CompanyRequest {
        external_id: Some(EXTERNAL_ID.to_owned()),
        name: Some("Örnek Mobilya Ltd. Şti.".to_owned()),
        ..CompanyRequest::default()
    }
}

/// Every vendor is the sandbox.
fn environment(sandbox: &Sandbox) -> Environment {
    let mut variables = Vec::new();
    for idp in IDPS {
        let name = |part: &str| format!("SANTRAL_OAUTH_{}_{part}", idp.id.to_ascii_uppercase());
        variables.push((name("URL"), sandbox.http_url()));
        variables.push((name("CLIENT_ID"), "santral-demo".to_owned()));
        variables.push((name("CLIENT_SECRET"), CLIENT_SECRET.to_owned()));
    }
    for connector in REGISTRY.iter().filter(|connector| connector.auth.oauth().is_some()) {
        let name = format!("SANTRAL_PROVIDER_{}_URL", connector.id.to_ascii_uppercase());
        variables.push((name, sandbox.http_url()));
    }
    Environment::of(variables.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

fn config(demo: &Demo, address: SocketAddr, sandbox: &Sandbox) -> anyhow::Result<Config> {
    let given = demo.frame_ancestors.iter().map(|origins| (&var::FRAME_ANCESTORS, origins.clone()));
    let settings = [
        (&var::LISTEN, address.to_string()),
        (&var::DATA_DIR, demo.data_dir.display().to_string()),
        (&var::ALLOW_NETWORKS, "127.0.0.0/8,::1/128".to_owned()),
        (&var::SMTP_ALLOW_PLAINTEXT, "true".to_owned()),
    ];
    let settings = Settings::of(settings.into_iter().chain(given));
    Ok(Config::read(&settings, &environment(sandbox), &Known::built_in())?)
}

/// A new key at every start: the demo's database holds only hashes, and its reader needs one to copy.
async fn platform_key(app: &App) -> anyhow::Result<Secret> {
    if let Some(key) = first_platform_key(app.db(), app.clock()).await? {
        return Ok(key);
    }
    let (secret, hash) = Token::mint_platform();
    let key = keys::Stored {
        id: crate::ids::KeyId::new().0,
        name: "demo".to_owned(),
        hint: crate::app::hint(&secret),
        created_at: app.clock().micros(),
        last_used_at: None,
    };
    let mut tx = app.db().system("a platform key for the demo's reader").write().await?;
    for old in keys::list_platform(&mut tx).await? {
        keys::delete_platform(&mut tx, old.id).await?;
    }
    keys::insert_platform(&mut tx, &key, hash.as_bytes()).await?;
    tx.commit().await?;
    Ok(secret)
}

/// The company, its mailbox, its automations and a first event; what is there from last time stays.
/// Gives a link to the company's pages.
async fn furnish(app: &AppState, sandbox: &Sandbox) -> Result<String, AppError> {
    let (company, is_new) = manage::put(app, company()).await?;
    let setup = setup(app, company.id).await?;
    // The sandbox's port is another at every start.
    let setup = save(app, setup, &accounts(sandbox)?).await?;
    if is_new {
        for preset in PRESETS.into_iter().filter(|id| presets::find(id).is_some()) {
            let request = PresetRequest { preset: preset.to_owned(), locale: None };
            create_from_preset(app, &setup, &request).await?;
        }
    }
    first_event(app, company.id).await?;
    let user = UserRequest {
        id: "demo".to_owned(),
        name: "Selin Kaya".to_owned(),
        role: Role::Admin,
        email: Some("selin@ornekmobilya.example".to_owned()),
        phone: Some("+905321234567".to_owned()),
    };
    let link = sessions::invite_for_long(
        app,
        company.id,
        SessionRequest { user, locale: None, return_url: None, accent: None },
    );
    Ok(link.await?.url)
}

async fn setup(app: &App, company: CompanyId) -> Result<std::sync::Arc<Setup>, AppError> {
    app.setups().get(company).await?.ok_or_else(AppError::not_found)
}

fn accounts(sandbox: &Sandbox) -> Result<SaveRequest, AppError> {
    let smtp = sandbox.smtp_addr();
    let request: Value = json!({ "integrations": [{
        "provider": "smtp",
        "label": "Sandbox",
        "settings": {
            "host": smtp.ip().to_string(), "port": smtp.port().to_string(), "security": "none",
            "from_address": "satis@ornekmobilya.example", "from_name": "Örnek Mobilya",
        },
        "credentials": { "user": "demo", "password": "sandbox" },
    }, {
        "provider": "netgsm",
        "label": "Sandbox",
        "settings": { "msgheader": "SANTRAL" },
        "credentials": { "usercode": "8500000000", "password": "sandbox" },
    }]});
    crate::api::extract::parse(request.to_string().as_bytes())
}

/// A deal, so that the mailbox is not empty when its reader first looks.
async fn first_event(app: &AppState, company: CompanyId) -> Result<(), AppError> {
    let Some(sample) = catalogue::find("deal.created") else { return Ok(()) };
    let mut event = (**sample.sample_event()).clone();
    event.id = crate::ids::new_uuid().to_string();
    let setup = setup(app, company).await?;
    let planned = plan::event(app.services().renderer, setup, event, app.clock().now());
    match app.ingest.store(Item::Event(Box::new(planned))).await? {
        Stored::New => Ok(()),
        _ => Err(AppError::not_found()),
    }
}

fn welcome(address: SocketAddr, sandbox: &Sandbox, key: &Secret, (pages, consent): (&str, &str)) -> String {
    let (url, key, mailbox) = (format!("http://{address}"), key.expose(), sandbox.http_url());
    format!(
        r#"
Santral demo. Nothing leaves this machine; stop it with Ctrl-C.

  pages         {pages}
                what a company's admin sees; the link works once, within ten minutes
  server        {url}            API docs: {url}/docs
  mailbox       {mailbox}/mailbox    what the customers of "Örnek Mobilya" receive
  phones        {mailbox}/phones     their SMS and WhatsApp messages
  platform key  {key}

Connect Gmail by clicking through a simulated consent page (the link works once, for ten minutes):

  {consent}

Post an event, as a CRM would, and look into the mailbox:

  curl -X POST {url}/api/events \
    -H 'Authorization: Bearer {key}' \
    -H 'Santral-Company: ext:{EXTERNAL_ID}' \
    -H 'Content-Type: application/cloudevents+json' \
    -d '{{"specversion":"1.0","id":"deal-'$(date +%s)'","source":"crm","type":"deal.created","subject":"deal/1",
         "data":{{"customer":{{"name":"Ayşe Yılmaz","email":"ayse@example.com"}},
                 "deal":{{"number":"F-1","title":"Ofis mobilyası","amount":12500,"currency":"TRY"}}}}}}'

See what became of it:

  curl -H 'Authorization: Bearer {key}' -H 'Santral-Company: ext:{EXTERNAL_ID}' {url}/api/deliveries
"#
    )
}
