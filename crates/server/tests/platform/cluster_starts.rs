//! The private cluster starts after whatever interrupted it, and root follows nothing that an
//! account of less privilege planted in its folders.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use strongroom_server::postgres::{Cluster, Owner, Role};
use tokio_postgres::{Client, Error, NoTls};

use crate::database::{folder, spec};
use crate::platform::runtime;

fn owner_and_mode(path: &Path) -> (u32, u32) {
    let found = fs::symlink_metadata(path).unwrap();
    (found.uid(), found.mode() & 0o7777)
}

async fn connect(
    cluster: &Cluster,
    database: &str,
    role: &str,
    password: &str,
) -> Result<Client, Error> {
    let mut config = tokio_postgres::Config::new();
    config.host_path(cluster.socket_dir()).dbname(database);
    let (client, connection) = config.user(role).password(password).connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

#[test]
fn only_data_and_socket_belong_to_the_clusters_user() {
    let root = folder();
    let spec = spec(root.clone());
    let me = rustix::process::getuid().as_raw();
    let theirs = spec.run_as.as_ref().map_or(me, |user| user.uid);
    let _cluster = spec.start().unwrap();
    for (name, owner, mode) in [
        ("", me, 0o711),
        ("etc", me, 0o755),
        ("etc/strongroom.conf", me, 0o644),
        ("etc/pg_hba.conf", me, 0o644),
        ("etc/pg_ident.conf", me, 0o644),
        ("etc/postgresql.log", me, 0o600),
        ("data", theirs, 0o700),
        ("socket", theirs, 0o750),
    ] {
        assert_eq!(owner_and_mode(&root.join(name)), (owner, mode), "{name}");
    }
}

#[test]
fn a_first_start_that_was_interrupted_is_repaired() {
    let root = folder();
    fs::create_dir_all(root.join("data.new/base")).unwrap();
    fs::write(root.join("data.new/PG_VERSION"), "15\n").unwrap();
    let cluster = spec(root.clone()).start().unwrap();
    assert!(!root.join("data.new").exists());
    drop(cluster);

    // A whole cluster is never made anew in the place of one that seems broken.
    fs::remove_file(root.join("data/PG_VERSION")).unwrap();
    let refused = spec(root.clone()).start().err().unwrap().to_string();
    assert!(refused.contains("no PG_VERSION"), "{refused}");
    assert!(root.join("data/base").exists());
}

#[test]
fn a_second_start_waits_until_the_first_cluster_is_gone() {
    let root = folder();
    let first = spec(root.clone()).start().unwrap();
    let second = std::thread::spawn(move || spec(root).start());
    std::thread::sleep(Duration::from_millis(1500));
    assert!(
        !second.is_finished(),
        "the first server's readiness was taken for the second's"
    );
    drop(first);
    assert!(!second.join().unwrap().unwrap().has_exited());
}

#[test]
fn a_crash_is_a_sigkill_and_the_next_start_waits_for_what_it_left() {
    let root = folder();
    let cluster = spec(root.clone()).start().unwrap();
    let client = || runtime().block_on(connect(&cluster, "postgres", "postgres", ""));
    let (client, observer) = (client().unwrap(), client().unwrap());
    let busy = "do $$ begin while clock_timestamp() < statement_timestamp() + interval '8 s' \
                loop end loop; end $$";
    let busy = runtime().spawn(async move { client.batch_execute(busy).await });
    let at_it = "select from pg_stat_activity where state = 'active' and query like 'do $$%'";
    let found = || runtime().block_on(observer.query(at_it, &[])).unwrap();
    let begun = Instant::now();
    while found().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it is not busy");
        std::thread::sleep(Duration::from_millis(10));
    }
    cluster.crash();
    let cluster = spec(root.clone()).start().unwrap();
    assert!(!cluster.has_exited());
    let _ = runtime().block_on(busy).unwrap();
    let log = fs::read_to_string(root.join("etc/postgresql.log")).unwrap();
    assert!(!log.contains("shutdown request"), "{log}");
    assert!(log.contains("pre-existing shared memory block"), "{log}");
    assert!(log.contains("was not properly shut down"), "{log}");
}

#[test]
fn nothing_planted_is_followed() {
    for name in ["data", "data.new", "socket", "etc", "etc/postgresql.log"] {
        let (root, victim) = (folder(), folder());
        let file = name.contains('.') && name != "data.new";
        if file {
            fs::create_dir_all(root.join("etc")).unwrap();
            fs::write(&victim, "").unwrap();
        } else {
            fs::create_dir_all(&root).unwrap();
            fs::create_dir(&victim).unwrap();
            fs::write(victim.join("kept"), "").unwrap();
        }
        let before = owner_and_mode(&victim);
        symlink(&victim, root.join(name)).unwrap();
        let started = spec(root.clone()).start();
        // A leftover is removed, and a link of its name with it.
        assert_eq!(started.is_ok(), name == "data.new", "{name}");
        drop(started);
        assert_eq!(owner_and_mode(&victim), before, "{name}");
        if file {
            assert_eq!(fs::read_to_string(&victim).unwrap(), "", "{name}");
        } else {
            assert!(victim.join("kept").exists(), "{name}");
            assert_eq!(fs::read_dir(&victim).unwrap().count(), 1, "{name}");
        }
    }
}

#[test]
fn a_planted_configuration_file_is_replaced_and_its_target_left_alone() {
    let (root, victim) = (folder(), folder());
    fs::write(&victim, "untouched").unwrap();
    let before = owner_and_mode(&victim);
    fs::create_dir_all(root.join("etc")).unwrap();
    for name in ["strongroom.conf", "pg_hba.conf", "pg_ident.conf"] {
        symlink(&victim, root.join("etc").join(name)).unwrap();
    }
    let _cluster = spec(root).start().unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
    assert_eq!(owner_and_mode(&victim), before);
}

#[test]
fn passwords_reach_the_database_as_verifiers_and_open_it() {
    runtime().block_on(async {
        let (root, dir) = (folder(), folder());
        let mut spec = spec(root.clone());
        spec.settings
            .push(("log_statement".to_owned(), "all".to_owned()));
        let cluster = spec.start().unwrap();
        let postgres = Owner::connect(&cluster.endpoint("postgres"), "postgres").await;
        postgres.unwrap().create_database().await.unwrap();
        let endpoint = cluster.endpoint("strongroom");
        let owner = Owner::connect(&endpoint, "postgres").await.unwrap();
        owner.migrate().await.unwrap();
        let passwords = || Role::ALL.map(|role| fs::read_to_string(dir.join(role.name())).unwrap());
        owner.set_passwords(&dir).await.unwrap();
        let first = passwords();
        owner.set_passwords(&dir).await.unwrap();
        assert_eq!(passwords(), first, "a repetition changes nothing");

        // A role whose file is missing gets a new password; the others keep theirs.
        fs::remove_file(dir.join(Role::ALL[2].name())).unwrap();
        owner.set_passwords(&dir).await.unwrap();
        let second = passwords();
        for (index, (old, new)) in first.iter().zip(&second).enumerate() {
            assert_eq!(old != new, index == 2, "{index}");
        }

        let log = fs::read_to_string(root.join("etc/postgresql.log")).unwrap();
        assert!(log.contains("alter role strongroom_gateway password 'SCRAM-SHA-256$"));
        for password in first.iter().chain(&second) {
            assert!(!log.contains(password.as_str()));
        }

        fs::write(
            root.join("etc/pg_hba.conf"),
            "local all postgres peer map=strongroom\nlocal all all scram-sha-256\n",
        )
        .unwrap();
        let superuser = connect(&cluster, "strongroom", "postgres", "")
            .await
            .unwrap();
        superuser
            .query("select pg_catalog.pg_reload_conf()", &[])
            .await
            .unwrap();
        for (role, password) in Role::ALL.into_iter().zip(&second) {
            // The reload reaches the server a moment after the statement's answer.
            let login =
                async |password: &str| connect(&cluster, "strongroom", role.name(), password).await;
            for _ in 0..50 {
                if login("wrong").await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            assert!(login("wrong").await.is_err(), "{}", role.name());
            login(password).await.unwrap();
        }
        let replaced = connect(&cluster, "strongroom", Role::ALL[2].name(), &first[2]).await;
        assert!(replaced.is_err());
    });
}
