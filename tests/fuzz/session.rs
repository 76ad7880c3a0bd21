// SPDX-License-Identifier: GPL-2.0-only
//! Sessions on a plain machine, with a script in the fuzzer's place: what is kept, what survives a kill, a second
//! session at the same time, and a full disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::{checkout, command, run};
use tempfile::TempDir;

/// A shell script in the place of a fuzzer. With -merge=1 it keeps every input; otherwise it runs `$FAKE` with the
/// scratch folder as its argument. It prints the lines that a session reads from libFuzzer.
const FAKE: &str = r##"#!/bin/sh
dirs="" merge=""
for arg; do
    case "$arg" in
    -merge=1) merge=1 ;;
    -*) ;;
    *) dirs="$dirs $arg" ;;
    esac
done
set -- $dirs
if [ -n "$merge" ]; then
    out=$1
    shift
    find "$@" -type f | while read -r file; do cat "$file" >"$out/$(cksum <"$file" | tr ' ' -)" || true; done
    echo "MERGE-OUTER: $(find "$@" -type f -exec cksum {} + | awk '{print $1, $2}' | sort -u | wc -l) new files with 9 new features added" >&2
    exit 0
fi
eval "$FAKE"
echo "#5: cov: 7 ft: 8 corp: 1 exec/s 5 oom/timeout/crash: 0/0/0 time: 1s" >&2
"##;

struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let fuzzer = dir.path().join("fuzzer");
        fs::write(&fuzzer, FAKE).unwrap();
        fs::set_permissions(&fuzzer, PermissionsExt::from_mode(0o755)).unwrap();
        fs::create_dir(dir.path().join("seeds")).unwrap();
        Place { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A session of the target `mbox`, whose findings are parser failures: no image is needed to report or minimize
    /// them.
    fn session(&self, fake: &str) -> Command {
        let mut c = command(&["fuzz-session", "mbox", "--time", "1s"]);
        for (flag, name) in [("--binary", "fuzzer"), ("--corpus", "corpus/mbox"), ("--seeds", "seeds")] {
            c.arg(flag).arg(self.path(name));
        }
        c.arg("--findings").arg(self.path("findings")).env("FAKE", fake);
        c
    }

    fn corpus(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("corpus/mbox")).unwrap();
        let mut all: Vec<String> = entries.map(|e| fs::read_to_string(e.unwrap().path()).unwrap()).collect();
        all.sort();
        all
    }

    /// The names beside the corpus, without its lock: scratch folders that a session has left.
    fn beside(&self) -> Vec<String> {
        let names = fs::read_dir(self.path("corpus")).unwrap();
        let names = names.map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
        names.filter(|n| n != "mbox" && n != ".mbox.lock").collect()
    }
}

#[test]
fn inputs_and_findings_are_kept() {
    let place = Place::new();
    fs::write(place.path("seeds/seed"), "a seed").unwrap();
    let find = "printf new >$1/x; printf bad >$PERCUSS_FINDINGS/crash-1; echo 'SUMMARY: libFuzzer: deadly signal' >&2";
    let first = run(place.session(find));
    assert_eq!(first.code, 1, "{}", first.err);
    assert!(first.out.contains("corpus 2 (+2 -0), 1 findings, 1 new"), "{}", first.out);
    assert_eq!(place.corpus(), ["a seed", "new"]);
    assert!(place.beside().is_empty(), "{:?}", place.beside());
    // The same again is not new, but it is counted.
    let second = run(place.session(find));
    assert_eq!(second.code, 0, "{}", second.err);
    let about = fs::read_to_string(place.path("findings/libfuzzer-deadly/about.json")).unwrap();
    assert!(about.contains("\"count\": 2"), "{about}");
    assert_eq!(fs::read_to_string(place.path("findings/libfuzzer-deadly/input")).unwrap(), "bad");
}

#[test]
fn what_a_killed_session_had_the_next_one_takes() {
    let place = Place::new();
    // The fuzzer outlives its session until the file `end` is there: the worst case, since it may still be writing when
    // the next session collects its folder.
    let end = place.path("end");
    let wait = format!("while [ ! -e {} ]; do sleep 0.1; done", end.display());
    let fake = format!("printf early >$1/x; printf bad >$PERCUSS_FINDINGS/crash-1; {wait}");
    let mut victim = place.session(&fake).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(120);
    let written = || {
        let dirs = fs::read_dir(place.path("corpus")).ok()?;
        let found = |d: &fs::DirEntry| d.file_name().to_string_lossy().starts_with(".mbox-Found") && d.path().is_dir();
        let found = dirs.flatten().find(found)?;
        fs::read(found.path().join("crash-1")).ok().filter(|b| b == b"bad")
    };
    while written().is_none() {
        assert!(Instant::now() < until, "the fuzzer has not started");
        std::thread::sleep(Duration::from_millis(20));
    }
    victim.kill().unwrap();
    victim.wait().unwrap();
    // Inputs are merged at the end of a session only, which this one did not reach.
    assert!(place.corpus().is_empty(), "the corpus is as it was");
    let next = run(place.session("printf late >$1/x"));
    fs::write(end, "").unwrap();
    assert_eq!(next.code, 1, "{}", next.err);
    assert_eq!(place.corpus(), ["early", "late"]);
    assert!(next.out.contains("1 findings, 1 new"), "{}", next.out);
    assert!(place.beside().is_empty(), "{:?}", place.beside());
}

/// Bytes of an input that is so long that writing it takes a while. A kill then often falls into the middle of a file.
const LONG: usize = 20_000;

/// Asserts that every file of the findings is whole, and returns how often each was seen, for those whose about.json is
/// written. A file that is not there yet is no fault.
fn noted(place: &Place) -> Vec<u64> {
    let Ok(folders) = fs::read_dir(place.path("findings")) else { return Vec::new() };
    let mut counts = Vec::new();
    for folder in folders.map(|f| f.unwrap().path()) {
        let n = folder.file_name().unwrap().to_str().unwrap().rsplit('-').next().unwrap().to_owned();
        let input = format!("input {n}{}", "x".repeat(LONG));
        let whole = |name: &str, is_whole: &dyn Fn(&str) -> bool| match fs::read_to_string(folder.join(name)) {
            Ok(text) => assert!(is_whole(&text), "{}/{name} has {} bytes", folder.display(), text.len()),
            Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::NotFound, "{e}"),
        };
        whole("input", &|text| text == input);
        whole("report.txt", &|text| {
            text.starts_with(&format!("# bug {n}\n")) && text.ends_with(&format!("| {input}\n"))
        });
        if let Ok(about) = fs::read(folder.join("about.json")) {
            // about.json is written last, so a finding that has it is complete.
            assert!(folder.join("input").exists() && folder.join("report.txt").exists());
            let about: serde_json::Value = serde_json::from_slice(&about).expect("whole");
            counts.push(about["count"].as_u64().unwrap());
        }
    }
    counts
}

#[test]
fn a_kill_while_findings_are_written_leaves_whole_files() {
    const FOUND: usize = 300;
    let place = Place::new();
    let find = format!(
        "x=$(head -c {LONG} /dev/zero | tr '\\0' x); n=0; while [ $n -lt {FOUND} ]; do \
         printf %s \"input $n$x\" >$PERCUSS_FINDINGS/$n.input; \
         printf \"# bug $n\\n# target mbox\\n# told\\n\" >$PERCUSS_FINDINGS/$n.txt; n=$((n + 1)); done"
    );
    let mut kills = 0;
    for wanted in [1, FOUND / 3, FOUND / 2] {
        // Later sessions find nothing of their own: they go on with what the killed one left.
        let fake = if wanted == 1 { find.as_str() } else { "true" };
        let mut victim = place.session(fake).spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(120);
        // A reader that looks in between sees whole files, too.
        while noted(&place).len() < wanted && victim.try_wait().unwrap().is_none() {
            assert!(Instant::now() < until, "no findings");
        }
        victim.kill().unwrap();
        kills += usize::from(!victim.wait().unwrap().success() && noted(&place).len() < FOUND);
    }
    assert!(kills > 0, "every session was done before it was killed");
    // Nothing is lost; what was noted in the moment of a kill may count twice.
    assert!(run(place.session("true")).code <= 1);
    let counts = noted(&place);
    assert_eq!(counts.len(), FOUND);
    assert!(counts.iter().sum::<u64>() <= (FOUND + 3) as u64, "{counts:?}");
    assert!(place.beside().is_empty(), "{:?}", place.beside());
}

#[test]
fn two_sessions_share_a_corpus() {
    let place = Place::new();
    let spawn = |n: u32| place.session(&format!("printf {n} >$1/x; sleep 1")).spawn().unwrap();
    // The second has to wait for the lock to merge, and must not overwrite what the first has merged.
    let both: Vec<_> = (0..2).map(spawn).collect();
    for mut one in both {
        assert!(one.wait().unwrap().success());
    }
    assert_eq!(place.corpus(), ["0", "1"]);
}

/// Runs a session in which a file cannot grow over 512 bytes, which fails a write as a full disk does. The signal that
/// comes with it is ignored, as on a full disk there is none.
fn limited(place: &Place, fake: &str) -> crate::common::Done {
    let session = place.session(fake);
    let mut sh = Command::new("sh");
    sh.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh"]).arg(session.get_program()).args(session.get_args());
    sh.env("FAKE", fake).env("NO_COLOR", "1").current_dir(checkout());
    run(sh)
}

#[test]
fn a_full_disk_loses_nothing() {
    let place = Place::new();
    let kept = "x".repeat(3000);
    assert_eq!(run(place.session(&format!("printf {kept} >$1/x"))).code, 0);
    let full = limited(&place, "printf small >$1/y");
    assert_eq!(full.code, 2, "{}{}", full.out, full.err);
    assert!(full.err.contains("is the disk full?"), "{}", full.err);
    assert_eq!(place.corpus(), std::slice::from_ref(&kept));
    // The input that could not be merged is not lost either.
    assert_eq!(run(place.session("true")).code, 0);
    assert_eq!(place.corpus(), ["small".to_owned(), kept]);
}

#[test]
fn a_fuzzer_that_does_not_start_is_an_error() {
    let place = Place::new();
    let broken = run(place.session("echo 'the C is not instrumented' >&2; exit 2"));
    assert_eq!(broken.code, 2);
    assert!(broken.err.contains("the C is not instrumented"), "{}", broken.err);
    fs::remove_file(place.path("fuzzer")).unwrap();
    assert_eq!(run(place.session("")).code, 2);
    assert!(Path::new(&place.path("corpus/mbox")).is_dir());
}
