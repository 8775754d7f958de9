//! The long tail of listing forms (79), and listings on the control connection.

use serde_json::{Value, json};

use crate::pitfalls::listings::{all, entries};
use crate::pitfalls::run::{Run, begin, fetch, says};

#[test]
fn pitfall_79_eplf() {
    let entries = entries(
        "79-eplf",
        "LIST",
        b"+i8388621.48594,m825718503,r,s280,\tdjb.html\r\n+i8388621.50690,m824255907,/,\t514\r\n",
    );
    assert_eq!(all(&entries, "name"), json!(["djb.html", "514"]));
    assert_eq!(all(&entries, "kind"), json!(["file", "directory"]));
    assert_eq!(all(&entries, "size"), json!([280, null]));
    assert_eq!(entries[0]["modified"], "1996-03-01T22:15:03Z");
}

#[test]
fn pitfall_79_vms_wraps_long_names() {
    let listing = "\r\nDirectory DISK$USER:[ANONYMOUS]\r\n\r\n\
        NAME.EXT;1           12/15  2-JAN-1996 10:11:12  [ANON,BOB]  (RWED,RWED,RE,)\r\n\
        A_LONG_NAME_THAT_NEEDS_A_LINE_OF_ITS_OWN.TXT;12\r\n\
        \x20                    12/15  2-JAN-1996 10:11  [BOB]  (RWED,,RE,)\r\n\
        SUB.DIR;1             1/3  2-JAN-1996 10:11:12  [BOB]  (RWE,RWE,RE,)\r\n\
        \r\nTotal of 3 files, 25/33 blocks.\r\n";
    let entries = entries("79-vms", "LIST", listing.as_bytes());
    assert_eq!(
        all(&entries, "name"),
        json!([
            "NAME.EXT;1",
            "A_LONG_NAME_THAT_NEEDS_A_LINE_OF_ITS_OWN.TXT;12",
            "SUB.DIR;1"
        ])
    );
    assert_eq!(all(&entries, "kind"), json!(["file", "file", "directory"]));
    // Blocks are not bytes: no size.
    assert_eq!(all(&entries, "size"), json!([null, null, null]));
    assert_eq!(entries[0]["modified"], "1996-01-02T10:11:12");
    assert_eq!(entries[0]["owner"], "BOB");
}

#[test]
fn pitfall_79_mvs_data_sets_members_and_the_spool() {
    let datasets = "Volume Unit    Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname\r\n\
        WRK001 3390   2004/06/19  1    1  FB      80  8000  PS  USER.DATA\r\n\
        WRK002 3390   2004/06/19  1   15  FB      80 27920  PO  'USER.LIB'\r\n\
        Migrated                                                USER.OLD\r\n";
    let found = entries("79-datasets", "LIST", datasets.as_bytes());
    assert_eq!(
        all(&found, "name"),
        json!(["USER.DATA", "'USER.LIB'", "USER.OLD"])
    );
    assert_eq!(all(&found, "kind"), json!(["file", "directory", "other"]));
    assert_eq!(all(&found, "modified"), json!([null, null, null]));

    let members = " Name     VV.MM   Created       Changed      Size  Init   Mod   Id\r\n\
        MEMBER1   01.01 2002/09/12 2002/10/11 09:37    11    11     0 KIL001\r\n";
    let found = entries("79-members", "LIST", members.as_bytes());
    assert_eq!(all(&found, "name"), json!(["MEMBER1"]));
    assert_eq!(found[0]["modified"], "2002-10-11T09:37:00");

    let jobs = "JOBNAME  JOBID    OWNER    STATUS CLASS\r\n\
        USER1A   JOB00067 USER1    OUTPUT A        RC=0000 3 spool files\r\n\
        USER1    TSU00055 USER1    ACTIVE TSU\r\n";
    let found = entries("79-jobs", "LIST", jobs.as_bytes());
    assert_eq!(all(&found, "name"), json!(["JOB00067", "TSU00055"]));
    assert_eq!(all(&found, "owner"), json!(["USER1", "USER1"]));
    let old = "USER1     JOB04001  OUTPUT    3 Spool Files\r\n";
    let found = entries("79-old-jobs", "LIST", old.as_bytes());
    assert_eq!(all(&found, "name"), json!(["JOB04001"]));
    let files = "JOBNAME  JOBID    OWNER    STATUS CLASS\r\n\
        USER1A   JOB00067 USER1    OUTPUT A        RC=0000\r\n\
        --------\r\n\
        \x20        ID  STEPNAME PROCSTEP C DDNAME   BYTE-COUNT\r\n\
        \x20        001 JES2              H JESMSGLG       982\r\n\
        1 spool files\r\n";
    let found = entries("79-spool-files", "LIST JOB00067", files.as_bytes());
    assert_eq!(all(&found, "name"), json!(["JOB00067", "JESMSGLG"]));
    assert_eq!(found[1]["size"], 982);
}

#[test]
fn pitfall_79_netware_as400_tandem_and_os2() {
    let netware = b"total 0\r\nd [R----F--] supervisor            512       Jan 16 18:53    login\r\n- [RWCEAFMS] rhesus             214059       Oct 20  1999    cx.exe\r\n";
    let found = entries("79-netware", "LIST", netware);
    assert_eq!(all(&found, "name"), json!(["login", "cx.exe"]));
    assert_eq!(all(&found, "kind"), json!(["directory", "file"]));
    assert_eq!(
        all(&found, "modified"),
        json!(["2026-01-16T18:53:00", "1999-10-20"])
    );
    assert_eq!(found[1]["permissions"], "RWCEAFMS");

    let as400 = b"QSYS            77824 02/23/00 15:09:55 *DIR       QOpenSys/\r\nBOB              1234 23.02.00 15:09:55 *STMF      a b.txt\r\n";
    let found = entries("79-as400", "LIST", as400);
    assert_eq!(all(&found, "name"), json!(["QOpenSys/", "a b.txt"]));
    assert_eq!(all(&found, "size"), json!([77_824, 1234]));
    assert_eq!(
        all(&found, "modified"),
        json!(["2000-02-23T15:09:55", "2000-02-23T15:09:55"])
    );

    let tandem = "File         Code             EOF  Last Modification    Owner  RWEP\r\n\
        IARPTS        101            16354 18-Mar-08 15:09:12 244, 10 \"nnnn\"\r\n\
        TACLCSTM   O  101              101 4-Mar-01  23:50:06 255,255 \"oooo\"\r\n";
    let found = entries("79-tandem", "LIST", tandem.as_bytes());
    assert_eq!(all(&found, "name"), json!(["IARPTS", "TACLCSTM"]));
    assert_eq!(all(&found, "size"), json!([16_354, 101]));
    assert_eq!(
        all(&found, "modified"),
        json!(["2008-03-18T15:09:12", "2001-03-04T23:50:06"])
    );
    assert_eq!(all(&found, "group"), json!(["244", "255"]));

    let os2 = "  36611      A    04-23-103  10:57  OS2 file.txt\r\n\
        \x20     0           DIR   12-30-97   12:32  folder\r\n";
    let found = entries("79-os2", "LIST", os2.as_bytes());
    assert_eq!(all(&found, "name"), json!(["OS2 file.txt", "folder"]));
    assert_eq!(all(&found, "kind"), json!(["file", "directory"]));
    assert_eq!(all(&found, "size"), json!([36_611, null]));
    assert_eq!(
        all(&found, "modified"),
        json!(["2003-04-23T10:57:00", "1997-12-30T12:32:00"])
    );
}

#[test]
fn pitfall_79_what_fits_no_form_loses_nothing() {
    let found = entries("79-unknown", "LIST", b"readme.txt\r\nsome dir\r\n");
    assert_eq!(all(&found, "name"), json!(["readme.txt", "some dir"]));
    assert_eq!(all(&found, "kind"), json!(["other", "other"]));
}

/// The step of the STAT in a session with this reply to it, and that session's report.
fn status(name: &str, command: &str, reply: &str) -> (Value, Run) {
    let mut ftp = begin();
    ftp.exchange(command, reply);
    fetch(&mut ftp, "RETR a.txt", 50_001, b"hello");
    let run = Run::on(name, &ftp.quit());
    let steps = run.report["sessions"][0]["steps"].as_array();
    let mut steps = steps.expect("steps").iter();
    let step = steps
        .find(|step| step["commands"][0]["verb"] == "STAT")
        .expect("a step")
        .clone();
    (step, run)
}

#[test]
fn pitfall_74_stat_with_a_path_lists_on_the_control_connection() {
    let file = "-rw-r--r--   1 ftp      ftp             5 Feb 18 15:22 a.txt";
    let folder = "drwxr-xr-x   2 ftp      ftp          4096 Feb 18 15:22 docs";
    for (name, reply) in [
        (
            "74-vsftpd",
            format!("213-Status follows:\r\n{file}\r\n{folder}\r\n213 End of status"),
        ),
        (
            "74-proftpd",
            format!("212-Status of /pub:\r\n212-{file}\r\n212-{folder}\r\n212 End of status"),
        ),
        (
            "74-pureftpd",
            format!("213-STAT\r\n total 8\r\n {file}\r\n {folder}\r\n213 2 matches total"),
        ),
        (
            "74-211",
            format!("211-status of .:\r\n{file}\r\n{folder}\r\n211 End of Status"),
        ),
    ] {
        let (step, run) = status(name, "STAT -la .", &reply);
        assert_eq!(step["kind"], "list", "{name}");
        let entries = step["entries"].as_array().expect("entries");
        assert_eq!(all(entries, "name"), json!(["a.txt", "docs"]), "{name}");
        assert_eq!(all(entries, "kind"), json!(["file", "directory"]), "{name}");
        assert_eq!(all(entries, "size"), json!([5, 4096]), "{name}");
        assert_eq!(step["title"], "STAT -la .: 2 entries", "{name}");
        // No data connection, so no transfer; but its sizes count like those of any listing.
        assert_eq!(step["transfer"], Value::Null);
        assert!(says(run.only(), "the listing (frame"), "{name}");
        let tree = run
            .folder
            .run(&["tree", "--format", "json", "-q", "0.pcap"]);
        assert!(tree.contains("\"/pub/docs\""), "{name}: {tree}");
    }
}

#[test]
fn pitfall_74_stat_without_entries_is_no_listing() {
    for (name, command, reply) in [
        (
            "74-status",
            "STAT",
            "211-FTP server status:\r\n Connected to 192.0.2.10\r\n TYPE: BINARY\r\n211 End of status",
        ),
        ("74-one-line", "STAT a.txt", "213 File status unknown"),
        (
            "74-refused",
            "STAT none",
            "450 none: No such file or directory",
        ),
    ] {
        let (step, _run) = status(name, command, reply);
        assert_eq!(step["entries"], Value::Null, "{name}");
    }
}
