use super::*;

fn config(text: &str, overrides: Overrides) -> Config {
    Config::new(parse(text).unwrap(), Path::new("/etc/rf"), overrides).unwrap()
}

#[test]
fn nothing_has_to_be_said() {
    let config = config("", Overrides::default());
    assert_eq!(config.listen.to_string(), LISTEN);
    assert_eq!(config.data, Path::new("data"));
    assert_eq!(config.tenant_data, None);
    assert_eq!(config.log.filter, "info");
    assert_eq!(config.run_in, RunIn::Processes);
    assert_eq!(config.engine.plans["standard"], Limits::default());
    assert_eq!(config.engine.order, Order::Fair);
}

#[test]
fn the_command_line_goes_before_the_file() {
    let text = "listen = '0.0.0.0:1'\nrun_in = 'threads'\ndata = 'd'\ntenant_data = 't'\n[log]\nfilter = 'warn'\nformat = 'json'";
    let from_file = config(text, Overrides::default());
    assert_eq!(from_file.listen.port(), 1);
    assert_eq!(from_file.data, Path::new("/etc/rf/d"));
    let tenant_data = from_file.tenant_data.as_deref();
    assert_eq!(tenant_data, Some(Path::new("/etc/rf/t")));
    assert_eq!(from_file.log.format, LogFormat::Json);
    assert_eq!(from_file.run_in, RunIn::Threads);
    let overrides = Overrides {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        data: Some("e".into()),
        tenant_data: Some("u".into()),
        log_filter: Some("debug".to_owned()),
        run_in: Some(RunIn::Processes),
        file: None,
    };
    let overridden = config(text, overrides);
    assert_eq!(overridden.listen.port(), 0);
    assert_eq!(overridden.data, Path::new("e"));
    assert_eq!(overridden.tenant_data.as_deref(), Some(Path::new("u")));
    assert_eq!(overridden.log.filter, "debug");
    assert_eq!(overridden.run_in, RunIn::Processes);
}

#[test]
fn plans_build_on_standard() {
    let text = "memory = {windows_bytes = 2_000_000, code_bytes = 1_048_576}\nquarantine = {runs = 0, first_s = 2, parked_s = 9}\nuploads = {at_once = 3, bytes = 7}\nartifacts.bytes = 5\nworkers = 3\norder = 'fifo'\nretention.hours = 2\nevaluations.places = 9\n[plans.standard]\nfuel = 5_000\n\
                [plans.large]\nmemory_bytes = 100_000_000";
    let config = config(text, Overrides::default());
    assert_eq!(config.engine.plans["large"].fuel, 5_000);
    assert_eq!(config.engine.plans["large"].memory_bytes, 100_000_000);
    let quarantine = config.engine.quarantine;
    assert_eq!((quarantine.runs, quarantine.first_us), (None, 2_000_000));
    assert_eq!(config.engine.parking.seconds, 9);
    let uploads = config.engine.uploads;
    let default = EngineConfig::default().uploads;
    assert_eq!((uploads.at_once, uploads.bytes), (3, 7));
    assert_eq!(uploads.places, default.places);
    assert_eq!(config.artifact_bytes, 5);
    assert_eq!(config.engine.windows_bytes, 2_000_000);
    assert_eq!(config.code_bytes, 1 << 20);
    assert_eq!(config.engine.workers, 3);
    assert_eq!(config.engine.evaluations, 9);
    assert_eq!(config.engine.order, Order::Fifo);
    assert_eq!(config.engine.retention_s, 7_200);
}

#[test]
fn a_lineage_token_does_not_outlive_the_journal() {
    let ttl = |text: &str| {
        let file = parse(text).unwrap();
        let config = Config::new(file, Path::new(""), Overrides::default());
        config.map(|config| (config.lineage_ttl_s, config.engine.infer_window_s))
    };
    assert_eq!(ttl("").unwrap(), (86_400, 30));
    assert_eq!(ttl("retention.hours = 2").unwrap().0, 3_600);
    let both = "lineage_ttl_s = 5\ninfer_window_s = 7";
    assert_eq!(ttl(both).unwrap(), (5, 7));
    for seconds in [0, 3_600, 7_200] {
        let text = format!("lineage_ttl_s = {seconds}\nretention.hours = 1");
        let said = ttl(&text).unwrap_err().to_string();
        assert!(said.contains("`lineage_ttl_s` may be 1 to 3599"), "{said}");
        assert!(said.contains("new budget"), "{said}");
    }
}

#[test]
fn overload_is_what_the_operator_says() {
    let overload = |text| config(text, Overrides::default()).engine.overload;
    let text = "[overload]\nqueueing_ms = 50\ninterval_ms = 300\nhopeless_s = 3\n\
                memory_bytes = 8_000_000";
    let said = overload(text);
    assert_eq!((said.target_us, said.interval_us), (50_000, 300_000));
    assert_eq!(said.hopeless_us, 3_000_000);
    let memory = (said.memory_bytes, said.memory_bytes_max);
    assert_eq!(memory, (8_000_000, 9_000_000));
    let most = overload("overload.memory_bytes_max = 2_000_000");
    assert_eq!(most.memory_bytes, 2_000_000);
    let default = overload("");
    assert!(default.memory_bytes < default.memory_bytes_max);
}

#[test]
fn anomalies_are_what_the_operator_says() {
    let text = "alerts.webhook_url = 'https://a.example'\n[anomalies]\nhalf_life_ms = 2_000\n\
                threshold = 1.5\nexecutions = 10\nsustained_ms = 0\nrate_factor = 4\n\
                rate_events = 7\nrate_history_s = 60";
    let config = config(text, Overrides::default());
    let (pulse, rates) = (config.engine.pulse, config.engine.rates);
    assert_eq!((pulse.half_life_us, pulse.threshold), (2_000_000, 1.5));
    assert_eq!((pulse.executions, pulse.sustained_us), (10, 0));
    assert_eq!((rates.factor, rates.events), (4.0, 7));
    assert_eq!((rates.history_us, rates.sustained_us), (60_000_000, 0));
    assert_eq!(config.alerts_url.as_deref(), Some("https://a.example"));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (text, part) in [
        ("lisetn = '127.0.0.1:1'", "line 1"),
        ("\n[log]\nformat = 'xml'", "line 3"),
        ("[plans.a]\nfeul = 1", "feul"),
        ("[plans.a]\nfuel = 1", "`plans.a`"),
        ("workers = 0", "`workers` may be 1"),
        ("run_in = 'cellar'", "line 1"),
        ("order = 'lifo'", "line 1"),
        ("uploads.at_once = 0", "`uploads.at_once` may be 1 to 256"),
        ("[uploads]\nplace = 1", "line 2"),
        (
            "evaluations.places = 0",
            "`evaluations.places` may be 1 to 1024",
        ),
        ("artifacts.bytes = -1", "line 1"),
        ("quarantine.loops = 0", "`quarantine.loops` may be 1"),
        ("quarantine.run = 0", "line 1"),
        (
            "quarantine = {first_s = 9, longest_s = 8}",
            "`quarantine.longest_s` may be 9",
        ),
        (
            "overload.queueing_ms = 0",
            "`overload.queueing_ms` may be 1 to",
        ),
        (
            "overload = {memory_bytes = 2_000_000, memory_bytes_max = 1_500_000}",
            "`overload.memory_bytes_max` may be 2000000 to",
        ),
        (
            "memory.code_bytes = 9",
            "`memory.code_bytes` may be 1048576 to",
        ),
        ("memory.windows = 9", "line 1"),
        ("retention.hours = 0", "`retention.hours`"),
        ("infer_window_s = 0", "`infer_window_s` may be 1 to 3600"),
        ("listen = '8700'", "listen"),
        (
            "[anomalies]\nhalf_life_ms = 0",
            "`anomalies.half_life_ms` may be",
        ),
        (
            "[anomalies]\nthreshold = 0.5",
            "`anomalies.threshold` may be 1 to",
        ),
        (
            "[anomalies]\nthreshold = nan",
            "`anomalies.threshold` may be 1 to",
        ),
        (
            "[anomalies]\nrate_factor = 1",
            "`anomalies.rate_factor` may be 2 to",
        ),
        ("[anomalies]\nspeed = 1", "line 2"),
        ("[alerts]\nsecret = 'x'", "line 2"),
    ] {
        let error = parse(text).unwrap_err();
        let said = format!("{error:#}");
        assert!(said.contains(part), "{text}: {said}");
    }
}
