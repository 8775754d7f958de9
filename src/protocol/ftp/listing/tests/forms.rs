//! Forms other than `ls -l`.

use super::*;

#[test]
fn dos_lines_of_iis_are_parsed() {
    let text = "06-19-24  03:22PM       <DIR>          aspnet client\r\n\
                01-02-1999  12:05AM                 1234 a b.txt\r\n\
                12-31-98  12:00PM            1,234,567  leading\r\n\
                06-19-2024  15:22               77 day.txt\r\n";
    let entries = list(text);
    assert_eq!(
        names(&entries),
        ["aspnet client", "a b.txt", " leading", "day.txt"]
    );
    assert_eq!(entries[0].kind, EntryKind::Directory);
    assert_eq!(entries[0].size, None);
    assert_eq!(
        entries.iter().map(when).collect::<Vec<_>>(),
        [
            "2024-06-19T15:22:00",
            "1999-01-02T00:05:00",
            "1998-12-31T12:00:00",
            "2024-06-19T15:22:00"
        ]
    );
    assert_eq!(entries[1].size, Some(1234));
    assert_eq!(entries[2].size, Some(1_234_567));
    assert!(!entries[0].year_inferred);
}

#[test]
fn dos_lines_of_dir_are_parsed() {
    let text = " Volume in drive C is System\r\n Directory of C:\\pub\r\n\r\n\
                06/19/2024  03:22 PM    <DIR>          .\r\n\
                2024-06-19  15:22                77 iso.txt\r\n\
                19.06.2024  15:22                77 german.txt\r\n\
                06/19/2024  03:22 PM    <JUNCTION>     Docs [C:\\Users\\Docs]\r\n\
                \x20              1 File(s)             77 bytes\r\n";
    let entries = list(text);
    assert_eq!(names(&entries), [".", "iso.txt", "german.txt", "Docs"]);
    assert!(
        entries
            .iter()
            .all(|entry| when(entry) == "2024-06-19T15:22:00")
    );
    assert_eq!(entries[3].kind, EntryKind::Link);
    assert_eq!(entries[3].target.as_deref(), Some("C:\\Users\\Docs"));
}

#[test]
fn eplf_facts_become_fields() {
    let text = "+i8388621.29609,m824255902,/,\tdev\r\n+i8388621.44468,m839956783,r,s10376,up644,\tRFC EPLF\r\n";
    let entries = list(text);
    assert_eq!(names(&entries), ["dev", "RFC EPLF"]);
    assert_eq!(
        (entries[0].kind, entries[1].kind),
        (EntryKind::Directory, EntryKind::File)
    );
    assert_eq!(when(&entries[0]), "1996-02-13T23:58:22Z");
    assert_eq!(
        (entries[1].size, entries[1].permissions.as_deref()),
        (Some(10376), Some("644"))
    );
}

#[test]
fn vms_lines_wrapped_after_long_names_are_joined() {
    let text = "\r\nDirectory DISK$USER:[ANONYMOUS]\r\n\r\n\
                CIM.DIR;1            1/3  2-JAN-1996 10:11:12  [ANON,BOB]  (RWED,RWED,RE,)\r\n\
                A_LONG_NAME_THAT_NEEDS_A_LINE.TXT;12\r\n                    12/15  2-JAN-1996 10:11  [BOB]  (RWED,,RE,)\r\n\
                LOCKED.TXT;1   %RMS-E-PRV, insufficient privilege or file protection violation\r\n\
                \r\nTotal of 3 files, 13/18 blocks.\r\n";
    let entries = list(text);
    assert_eq!(
        names(&entries),
        [
            "CIM.DIR;1",
            "A_LONG_NAME_THAT_NEEDS_A_LINE.TXT;12",
            "LOCKED.TXT;1"
        ]
    );
    assert_eq!(entries[0].kind, EntryKind::Directory);
    assert_eq!(
        (when(&entries[0]), when(&entries[1])),
        ("1996-01-02T10:11:12", "1996-01-02T10:11:00")
    );
    assert_eq!(
        (entries[0].group.as_deref(), entries[0].owner.as_deref()),
        (Some("ANON"), Some("BOB"))
    );
    assert_eq!(entries[1].permissions.as_deref(), Some("RWED,,RE,"));
    assert_eq!(entries[1].size, None);
    assert_eq!(when(&entries[2]), "none");
}

#[test]
fn mvs_data_sets_and_members_are_detected_by_their_headings() {
    let text = "Volume Unit    Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname\r\n\
                WRK001 3390   2004/06/19  1    1  FB      80  8000  PS  USER.DATA\r\n\
                WRK002 3390   2004/06/19  1   15  FB      80 27920  PO  'USER.LIB'\r\n\
                Migrated                                                USER.OLD\r\n";
    let entries = list(text);
    assert_eq!(names(&entries), ["USER.DATA", "'USER.LIB'", "USER.OLD"]);
    assert_eq!(
        entries.iter().map(|entry| entry.kind).collect::<Vec<_>>(),
        [EntryKind::File, EntryKind::Directory, EntryKind::Other]
    );
    let text = " Name     VV.MM   Created       Changed      Size  Init   Mod   Id\r\n\
                MEMBER1   01.01 2002/09/12 2002/10/11 09:37    11    11     0 KIL001\r\n\
                BARE\r\n";
    let entries = list(text);
    assert_eq!(names(&entries), ["MEMBER1", "BARE"]);
    assert_eq!(
        (when(&entries[0]), entries[0].owner.as_deref()),
        ("2002-10-11T09:37:00", Some("KIL001"))
    );
}

#[test]
fn netware_rights_become_permissions() {
    let text = "total 0\r\nd [R----F--] supervisor            512       Jan 16 18:53    login\r\n\
                - [RWCEAFMS] rhesus             214059       Oct 20  1999    cx.exe\r\n";
    let entries = list(text);
    assert_eq!(names(&entries), ["login", "cx.exe"]);
    assert_eq!(entries[0].permissions.as_deref(), Some("R----F--"));
    assert_eq!(
        (entries[1].size, entries[1].owner.as_deref()),
        (Some(214_059), Some("rhesus"))
    );
    assert_eq!(when(&entries[1]), "1999-10-20");
}

#[test]
fn as400_object_types_become_kinds() {
    let text = "QSYS            77824 02/23/00 15:09:55 *DIR       QOpenSys/\r\n\
                BOB              1234 23.02.00 15:09:55 *STMF      a b.txt\r\n\
                BOB                                     *MEM       QGPL/SRC.MBR\r\n";
    let entries = list(text);
    assert_eq!(names(&entries), ["QOpenSys/", "a b.txt", "QGPL/SRC.MBR"]);
    assert_eq!(
        (when(&entries[0]), when(&entries[1])),
        ("2000-02-23T15:09:55", "2000-02-23T15:09:55")
    );
    assert_eq!(
        (entries[0].kind, entries[1].size),
        (EntryKind::Directory, Some(1234))
    );
}

#[test]
fn os2_attributes_become_permissions() {
    let text = "  36611      A    04-23-103  10:57  OS2 file.txt\r\n\
                \x20     0 DIR       02-11-103  16:15  folder\r\n\
                \x20  1123 DIR  A    12-30-97   12:32  older\r\n\
                \x20     7           11-25-97   09:42a plain\r\n";
    let entries = list(text);
    assert_eq!(
        names(&entries),
        ["OS2 file.txt", "folder", "older", "plain"]
    );
    assert_eq!(
        entries.iter().map(when).collect::<Vec<_>>(),
        [
            "2003-04-23T10:57:00",
            "2003-02-11T16:15:00",
            "1997-12-30T12:32:00",
            "1997-11-25T09:42:00"
        ]
    );
    assert_eq!(
        entries.iter().map(|entry| entry.kind).collect::<Vec<_>>(),
        [
            EntryKind::File,
            EntryKind::Directory,
            EntryKind::Directory,
            EntryKind::File
        ]
    );
    assert_eq!((entries[0].size, entries[1].size), (Some(36_611), None));
    assert_eq!(entries[0].permissions.as_deref(), Some("A"));
}

#[test]
fn guardian_end_of_file_is_the_size() {
    let text = "File         Code             EOF  Last Modification    Owner  RWEP\r\n\
                IARPTS        101            16354 18-Mar-08 15:09:12 244, 10 \"nunu\"\r\n\
                TACLCSTM   O  101             101  4-Mar-01  23:50:06 255,255 \"oooo\"\r\n";
    let entries = list(text);
    assert_eq!(names(&entries), ["IARPTS", "TACLCSTM"]);
    assert_eq!(
        (entries[0].size, entries[1].size),
        (Some(16_354), Some(101))
    );
    assert_eq!(
        (when(&entries[0]), when(&entries[1])),
        ("2008-03-18T15:09:12", "2001-03-04T23:50:06")
    );
    assert_eq!(
        (
            entries[0].group.as_deref(),
            entries[0].owner.as_deref(),
            entries[0].permissions.as_deref()
        ),
        (Some("244"), Some("10"), Some("nunu"))
    );
}

#[test]
fn spool_jobs_and_their_files_are_entries() {
    let entries =
        list("USER1     JOB04001  OUTPUT    3 Spool Files\r\nUSER1A    JOB04002  INPUT\r\n");
    assert_eq!(names(&entries), ["JOB04001", "JOB04002"]);
    let text = "JOBNAME  JOBID    OWNER    STATUS CLASS\r\n\
                USER1A   JOB00067 USER1    OUTPUT A        RC=0000\r\n\
                --------\r\n\
                \x20        ID  STEPNAME PROCSTEP C DDNAME   BYTE-COUNT\r\n\
                \x20        001 JES2              H JESMSGLG       982\r\n\
                \x20        002 STEP1    PROC1    H SYSPRINT     12345\r\n\
                2 spool files\r\n";
    let entries = list(text);
    assert_eq!(names(&entries), ["JOB00067", "JESMSGLG", "SYSPRINT"]);
    assert_eq!(entries[0].owner.as_deref(), Some("USER1"));
    assert_eq!((entries[0].size, entries[2].size), (None, Some(12_345)));
}

#[test]
fn vms_lines_of_multinet_continue_the_name_without_an_indent() {
    let entries = list(
        "A.DAT;3\r\n64   4-MAR-2019 00:04 [OPS,STAFF] (RWED,RWED,,R)\r\n\
         B.DIR;1\r\n102  28-APR-2013 23:12:01 [OPS] (RWED,RWED,,R)\r\nALONE.TXT;2\r\nC.DAT;1  3 1-JAN-2020 01:02\r\n",
    );
    assert_eq!(
        names(&entries),
        ["A.DAT;3", "B.DIR;1", "ALONE.TXT;2", "C.DAT;1"]
    );
    assert_eq!(
        entries.iter().map(when).collect::<Vec<_>>(),
        [
            "2019-03-04T00:04:00",
            "2013-04-28T23:12:01",
            "none",
            "2020-01-01T01:02:00"
        ]
    );
    assert_eq!(entries[1].kind, EntryKind::Directory);
    assert_eq!(entries[2].kind, EntryKind::Other);
}

#[test]
fn byte_order_mark_is_no_part_of_the_first_line() {
    let mark = "\u{feff}";
    let entry = one(&format!("{mark}-rw-r--r-- 1 a b 7 Jan  1  2020 x\r\n"));
    assert_eq!((entry.name.as_str(), entry.size), ("x", Some(7)));
    for (kind, line) in [
        (ListingKind::Names, "x"),
        (ListingKind::Facts, "type=file;size=7; x"),
    ] {
        let entries = parse(format!("{mark}{line}\r\n").as_bytes(), kind);
        assert_eq!(names(&entries), ["x"]);
    }
}

#[test]
fn vshell_lines_have_year_and_time() {
    let entry = one("-rwxr-xr-x    1 user group        9 Oct 08, 2002 09:47 note file.txt\r\n");
    assert_eq!(
        (entry.name.as_str(), when(&entry)),
        ("note file.txt", "2002-10-08T09:47:00")
    );
    let entries = list("206876  Apr 04, 2000 21:06 a b.txt\r\n0  Dec 12, 2002 02:13 folder/\r\n");
    assert_eq!(names(&entries), ["a b.txt", "folder"]);
    assert_eq!(
        (entries[0].size, when(&entries[0])),
        (Some(206_876), "2000-04-04T21:06:00")
    );
    assert_eq!(
        (entries[1].kind, entries[1].size),
        (EntryKind::Directory, None)
    );
}

#[test]
fn vxworks_headings_are_no_entries() {
    let entries = list(
        "  size          date       time       name\r\n--------       ------     ------    --------\r\n\
         \x20    512    JAN-01-1980  00:00:00   LOGS              <DIR>\r\n    6775    FEB-02-2021  10:11:12   my ports.tcl\r\n",
    );
    assert_eq!(names(&entries), ["LOGS", "my ports.tcl"]);
    assert_eq!(
        (entries[0].kind, entries[1].size),
        (EntryKind::Directory, Some(6775))
    );
    assert_eq!(when(&entries[1]), "2021-02-02T10:11:12");
}

#[test]
fn nortel_lines_are_dated_by_the_day_of_the_week() {
    let entries = list(
        "config       1014196  06/03/04  Thur.   10:20:03\r\nbn.exe  14196  03/06/04  Thu  10:20:03\r\n",
    );
    assert_eq!(names(&entries), ["config", "bn.exe"]);
    assert!(
        entries
            .iter()
            .all(|entry| when(entry) == "2004-06-03T10:20:03")
    );
    let entries = list("BIN  <DIR>  11-21-94  10:17\r\nA.DOC  11264  05-11-95  14:20\r\n");
    assert_eq!(
        (entries[0].kind, entries[1].size),
        (EntryKind::Directory, Some(11264))
    );
}

#[test]
fn os9_lines_have_the_year_first() {
    let entries = list(
        "                  Directory of . 14:46:01\r\n Owner    Last modified  Attributes Sector Bytecount Name\r\n\
         -------   ------------- ---------- ------ --------- ----\r\n 20.20 07/03/29 1026 d-ewrewr 2650 85920 sub dir\r\n\
         \x20  0.0 03/05/06 1423 ---wr-wr C4FB 512 a.txt\r\n",
    );
    assert_eq!(names(&entries), ["sub dir", "a.txt"]);
    assert_eq!(
        entries.iter().map(when).collect::<Vec<_>>(),
        ["2007-03-29T10:26:00", "2003-05-06T14:23:00"]
    );
    assert_eq!(
        (entries[0].kind, entries[1].size),
        (EntryKind::Directory, Some(512))
    );
}

#[test]
fn cms_files_are_named_with_their_type() {
    let entries = list(
        "DIRACC   EXEC     A1    F    132         84          3  01/25/93  14:49:47\r\n\
         BADY2K   TEXT     A0 V    1    1   1   1/03/102 10:11:12\r\n\
         NOTE     FILE     V   65  107  2  2005-10-04 15:28:42 060191\r\n\
         BACKUP            A1 DIR    -    -   -  9/20/99 10:31:11\r\n",
    );
    assert_eq!(
        names(&entries),
        ["DIRACC.EXEC", "BADY2K.TEXT", "NOTE.FILE", "BACKUP"]
    );
    assert_eq!(
        entries.iter().map(when).collect::<Vec<_>>(),
        [
            "1993-01-25T14:49:47",
            "2002-01-03T10:11:12",
            "2005-10-04T15:28:42",
            "1999-09-20T10:31:11"
        ]
    );
    assert_eq!(entries[3].kind, EntryKind::Directory);
    assert_eq!(entries[2].owner.as_deref(), Some("060191"));
    assert!(entries.iter().all(|entry| entry.size.is_none()));
}

#[test]
fn hellsoft_rights_touch_the_kind() {
    let entries = list(
        "d[RWCEMFA] supervisor            512       Jan 16 18:53    login\r\n-[RWCEMFA] rhesus 214059 Oct 20  2003 cx.exe\r\n",
    );
    assert_eq!(names(&entries), ["login", "cx.exe"]);
    assert_eq!(
        (entries[0].kind, entries[1].size),
        (EntryKind::Directory, Some(214_059))
    );
    assert_eq!(entries[1].owner.as_deref(), Some("rhesus"));
}

#[test]
fn numeric_unix_lines_state_seconds() {
    let entries = list(
        "0100644   500  101   12345    123456789       a b.txt\r\n040755 0 0 512 1718810565 pub\r\n",
    );
    assert_eq!(names(&entries), ["a b.txt", "pub"]);
    assert_eq!(when(&entries[0]), "1973-11-29T21:33:09Z");
    assert_eq!(
        (entries[0].size, entries[1].kind),
        (Some(12345), EntryKind::Directory)
    );
}

#[test]
fn mlst_facts_may_follow_any_number_of_spaces() {
    for spaces in ["", " ", "  ", "    "] {
        let line = format!("{spaces}type=file;size=40; a b");
        let entry = facts::parse_reply_line(line.as_bytes()).expect("an entry");
        assert_eq!((entry.name.as_str(), entry.size), ("a b", Some(40)));
    }
    for prose in ["File details", "End", "", "MLST a=b done", "mode=x is set"] {
        assert_eq!(facts::parse_reply_line(prose.as_bytes()), None);
    }
}

#[test]
fn dates_of_other_lines_decide_whether_day_or_month_is_first() {
    let dates = |text: &str| -> Vec<String> {
        let modified = |entry: &ListingEntry| entry.modified.as_ref().map(ToString::to_string);
        list(text).iter().filter_map(modified).collect()
    };
    let ambiguous = "05-06-2005  03:22PM  5 a\r\n";
    assert_eq!(dates(ambiguous), ["2005-05-06T15:22:00"]);
    // The line that decides may stand anywhere.
    let day_first = format!(
        "{ambiguous}{}19-06-2005  10:00AM  5 b\r\n",
        "\r\n".repeat(3)
    );
    assert_eq!(
        dates(&day_first),
        ["2005-06-05T15:22:00", "2005-06-19T10:00:00"]
    );
    let both = format!("{day_first}06-19-2005  10:00AM  5 c\r\n");
    assert_eq!(dates(&both)[0], "2005-05-06T15:22:00");
}

#[test]
fn cms_directories_have_two_or_three_dashes() {
    for dashes in ["-    -   -", "-    -"] {
        let entries = list(&format!(
            "PROFILE  EXEC     A1 F   132   84   3  9/12/91 12:39:07\r\nBACKUP   DIR   {dashes}  9/20/99 10:31:11\r\n"
        ));
        assert_eq!(entries.len(), 2, "{dashes}");
        assert_eq!(
            (entries[1].name.as_str(), entries[1].kind),
            ("BACKUP", EntryKind::Directory)
        );
        assert_eq!(entries[1].modified.as_deref(), Some("1999-09-20T10:31:11"));
    }
}
