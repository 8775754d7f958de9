//! The page, in a real browser: stepping, playing, searching, and what a hostile capture can do to it, which is nothing.
//!
//! With `FTPSCOPE_PICTURES=DIR` a picture is left there, to be looked at.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::browser::Browser;
use crate::support::connection::Side;
use crate::support::conversation::Conversation;
use crate::support::folder::Folder;
use crate::support::wire::Wire;
use etherparse::TcpHeader;
use serde_json::{Value, json};

#[test]
fn a_stranger_sees_at_once_who_what_and_what_went_wrong() {
    let folder = Folder::new("page-overview");
    let page = page(&folder, &captures());
    let Some(mut browser) = Browser::open(&page, "overview", DESKTOP) else {
        return;
    };
    let overview = browser.text("document.getElementById('overview').innerText");
    for part in [
        "Who logged in",
        "mira",
        "rejected",
        "data.bin",
        "blocked on the client's side",
    ] {
        assert!(overview.contains(part), "{part}: {overview}");
    }
    let shown = browser.text("document.getElementById('overview').textContent");
    assert!(shown.contains("530 Login incorrect"), "{shown}");
    let above = browser
        .value("document.getElementById('overview').getBoundingClientRect().bottom < innerHeight");
    assert_eq!(above, json!(true), "the overview fits one screen");
    done(browser);
}

#[test]
fn sessions_are_searched_sorted_and_filtered() {
    let folder = Folder::new("page-search");
    let page = page(&folder, &captures());
    let Some(mut browser) = Browser::open(&page, "search", DESKTOP) else {
        return;
    };
    let rows = "document.querySelectorAll('#sessions tbody tr').length";
    let all = browser.value(rows).as_u64().expect("a count");
    assert!(all > 10);
    search(&mut browser, "blocked");
    browser.wait(&format!("{rows} === 2"));
    search(&mut browser, "MIRA data.bin");
    browser.wait(&format!("{rows} > 2 && {rows} < {all}"));
    search(&mut browser, "no such thing");
    browser.wait(&format!("{rows} === 0"));
    search(&mut browser, "");
    browser.wait(&format!("{rows} === {all}"));
    browser.value("document.querySelectorAll('#sessions th button')[7].click()");
    browser.value("document.querySelectorAll('#sessions th button')[7].click()");
    let largest = browser.text("document.querySelector('#sessions tbody tr').innerText");
    assert!(largest.contains("200,000 bytes"), "{largest}");
    let sorted =
        browser.text("document.querySelectorAll('#sessions th')[7].getAttribute('aria-sort')");
    assert_eq!(sorted, "descending");
    browser.value(
        "(() => { const f = document.getElementById('filter'); f.value = 'failed'; f.dispatchEvent(new Event('change')); })()",
    );
    browser.wait(&format!("{rows} > 0 && {rows} < {all}"));
    done(browser);
}

#[test]
fn rest_of_a_file_is_told_as_one() {
    let folder = Folder::new("page-rest");
    let mut ftp = Conversation::logged_in("10.0.0.2:40000", "10.0.0.1:21");
    ftp.exchange("REST 1500", "350 Restarting at 1500.");
    ftp.retrieve("part.bin", 40_001, 50_001, b"the rest of it");
    folder.write("rest.pcap", &ftp.quit());
    let page = page(&folder, &["rest.pcap".into()]);
    let Some(mut browser) = Browser::open(&page, "rest", DESKTOP) else {
        return;
    };
    let overview = browser.text("document.getElementById('overview').innerText");
    assert!(overview.contains("14 bytes from byte 1,500"), "{overview}");
    done(browser);
}

#[test]
fn narrow_page_keeps_heads_apart_and_gives_names_the_whole_width() {
    let folder = Folder::new("page-narrow");
    folder.write("classic.pcap", &crate::support::classic::classic());
    let page = page(&folder, &["classic.pcap".into()]);
    for size in [PHONE, DESKTOP] {
        let Some(mut browser) = Browser::open(&page, "narrow", size) else {
            return;
        };
        browser.value(
            "document.querySelectorAll('.transfers details').forEach((one) => one.open = true)",
        );
        browser.wait("document.querySelector('.listing') !== null");
        let apart = browser.value(
            "(() => { const heads = [...document.querySelectorAll('.lanes>:last-child>div')]
                .map((head) => head.getBoundingClientRect()).sort((a, b) => a.left - b.left);
              return heads.length === 4 && heads.every((head, at) => at === 0 || heads[at - 1].right + 4 <= head.left); })()",
        );
        assert_eq!(apart, json!(true), "heads at {size:?}");
        let names = browser.value(
            "[...document.querySelectorAll('.listing td.last')].every((name) => name.getBoundingClientRect().height < 50)",
        );
        assert_eq!(names, json!(true), "names at {size:?}");
        let fits = browser.value("document.documentElement.scrollWidth <= innerWidth");
        assert_eq!(fits, json!(true), "width {size:?}");
        done(browser);
    }
}

#[test]
fn the_diagram_is_stepped_through_with_buttons_and_keys() {
    let folder = Folder::new("page-steps");
    folder.write("classic.pcap", &crate::support::classic::classic());
    let page = page(&folder, &["classic.pcap".into()]);
    let Some(mut browser) = Browser::open(&page, "steps", DESKTOP) else {
        return;
    };
    let caption = "document.querySelector('.caption').textContent";
    assert_eq!(
        browser.text(caption),
        "The user starts the client: ftp ftp.any-domain.com."
    );
    press(&mut browser, "Step forward");
    assert!(browser.text(caption).contains("asks the DNS server"));
    browser.value("document.querySelector('.rows').focus()");
    browser.key("ArrowDown");
    assert!(browser.text(caption).contains("is 192.168.0.21"));
    browser.key("ArrowRight");
    assert_eq!(
        browser.text(caption),
        "The client opens the control connection to port 21."
    );
    assert_eq!(browser.text(LIT), "SYN");
    press(&mut browser, "Step back");
    assert!(browser.text(LIT).starts_with("response"));
    browser.key("End");
    assert_eq!(browser.text(LIT), "FIN ACK");
    let state = browser.text("document.querySelector('[aria-label=State]').innerText");
    for part in ["ftp", "ASCII", "active", "none open", "1,917 bytes"] {
        assert!(state.contains(part), "{part}: {state}");
    }
    let console = browser.text("document.querySelector('.console').textContent");
    let expected = [
        "$ ftp ftp.any-domain.com",
        "220 ANY-DOMAIN.COM FTP Service",
        "Name: ftp",
        "331 Anonymous access allowed, send identity (e-mail name) as password.",
        "Password:",
        "230-Welcome to ftp.any-domain.com",
        "230 Anonymous user logged in.",
        "ftp> dir",
        "200 PORT command successful.",
        "150 Opening ASCII mode data connection for /bin/ls.",
    ];
    assert!(console.starts_with(&expected.join("\n")), "{console}");
    assert!(
        console.ends_with("ftp> bye\n221 Thank you for visiting ftp.any-domain.com."),
        "{console}"
    );
    choose(&mut browser, "Detail", "4");
    browser.value("document.querySelector('.rows').focus()");
    browser.key("Home");
    let rows = "document.querySelector('.rows li').getAttribute('aria-setsize')";
    let rows: u64 = browser.text(rows).parse().expect("a number");
    assert!(rows > 80, "{rows}");
    choose(&mut browser, "Detail", "1");
    browser.key("Home");
    browser.value("[...document.querySelectorAll('#session td a')].find((a) => a.textContent.startsWith('RETR')).click()");
    browser.wait("document.querySelector('.rows li[aria-current]') !== null");
    assert!(browser.text(caption).contains("readme.txt"));
    done(browser);
}

#[test]
fn arrow_keys_step_from_anywhere_and_with_shift_from_part_to_part() {
    let folder = Folder::new("page-keys");
    folder.write("classic.pcap", &crate::support::classic::classic());
    let page = page(&folder, &["classic.pcap".into()]);
    let Some(mut browser) = Browser::open(&page, "keys", DESKTOP) else {
        return;
    };
    browser.key("ArrowRight");
    assert_eq!(browser.text(LIT), "query A ftp.any-domain.com");
    let part = |way: &str| {
        format!(
            "document.body.dispatchEvent(new KeyboardEvent('keydown', {{ key: 'Arrow{way}', shiftKey: true, bubbles: true }}))"
        )
    };
    browser.value(&part("Right"));
    assert_eq!(browser.text(LIT), "SYN");
    browser.value(&part("Right"));
    assert_eq!(browser.text(LIT), "dir");
    browser.value(&part("Left"));
    assert_eq!(browser.text(LIT), "SYN");
    browser.value("document.querySelector('select[aria-label=Detail]').focus()");
    browser.key("End");
    assert_eq!(
        browser.text(LIT),
        "SYN",
        "keys of a form are those of the form"
    );
    done(browser);
}

#[test]
fn the_way_back_leads_to_where_one_was() {
    let folder = Folder::new("page-back");
    let page = page(&folder, &captures());
    let Some(mut browser) = Browser::open(&page, "back", DESKTOP) else {
        return;
    };
    search(&mut browser, "mira");
    browser.wait("document.querySelectorAll('#sessions tbody tr').length < 20");
    browser.value("scrollTo(0, 300)");
    browser.value("document.querySelectorAll('#sessions tbody a')[3].click()");
    browser.wait("location.hash !== '' && document.querySelector('.caption') !== null");
    let neighbours = browser.text("document.querySelector('nav').textContent");
    assert!(neighbours.contains("All sessions"), "{neighbours}");
    browser.value("history.back()");
    browser.wait("document.getElementById('list').hidden === false");
    assert_eq!(browser.value("scrollY"), json!(300));
    assert_eq!(
        browser.text("document.getElementById('search').value"),
        "mira"
    );
    browser.value("history.forward()");
    browser.wait("document.querySelector('.caption') !== null");
    done(browser);
}

#[test]
fn a_finding_leads_to_its_packet_in_the_diagram() {
    let folder = Folder::new("page-finding");
    let capture = captures()[0].join("blocked-active.pcap");
    let page = page(&folder, &[capture]);
    let Some(mut browser) = Browser::open(&page, "finding", DESKTOP) else {
        return;
    };
    browser.value("document.querySelector('.finding.medium button').click()");
    assert_eq!(browser.text(LIT), "SYN");
    let lit = browser.text("document.querySelector('.rows li[aria-current]').textContent");
    assert!(lit.contains("#20"), "{lit}");
    done(browser);
}

#[test]
fn a_refused_file_leads_from_the_overview_to_its_reply() {
    let mut conversation = Conversation::logged_in("192.168.0.2:40000", "192.168.0.21:21");
    conversation.exchange("RETR nothing.txt", "550 No such file.");
    let folder = Folder::new("page-failure");
    folder.write("refused.pcap", &conversation.quit());
    let page = page(&folder, &["refused.pcap".into()]);
    let Some(mut browser) = Browser::open(&page, "failure", DESKTOP) else {
        return;
    };
    let overview = browser.text("document.getElementById('overview').innerText");
    assert!(
        overview.contains("RETR nothing.txt (550 No such file)"),
        "{overview}"
    );
    browser.value(
        "[...document.querySelectorAll('#session .finding')].find(one => one.textContent.includes('nothing.txt')).querySelector('button').click()",
    );
    assert_eq!(browser.text(LIT), "550 No such file.");
    done(browser);
}

#[test]
fn on_paper_the_diagram_is_whole() {
    let folder = Folder::new("page-paper");
    folder.write("classic.pcap", &crate::support::classic::classic());
    let page = page(&folder, &["classic.pcap".into()]);
    let Some(mut browser) = Browser::open(&page, "paper", DESKTOP) else {
        return;
    };
    let drawn = "document.querySelectorAll('.rows li').length";
    let all = browser.text("document.querySelector('.rows li').getAttribute('aria-setsize')");
    let all: u64 = all.parse().expect("a number");
    assert!(browser.value(drawn).as_u64() < Some(all));
    browser.value("void dispatchEvent(new Event('beforeprint'))");
    assert_eq!(browser.value(drawn), json!(all));
    browser.value("void dispatchEvent(new Event('afterprint'))");
    assert!(browser.value(drawn).as_u64() < Some(all));
    done(browser);
}

#[test]
fn a_capture_without_a_session_says_so() {
    let folder = Folder::new("page-empty");
    folder.write("empty.pcap", &crate::support::classic::classic()[..24]);
    let page = page(&folder, &["empty.pcap".into()]);
    let Some(mut browser) = Browser::open(&page, "empty", DESKTOP) else {
        return;
    };
    let shown = browser.text("document.body.innerText");
    assert!(
        shown.contains("Nobody: there is no FTP session."),
        "{shown}"
    );
    assert!(!shown.contains("Search"), "{shown}");
    done(browser);
}

#[test]
fn playing_goes_to_the_end_and_stops() {
    let folder = Folder::new("page-play");
    folder.write("classic.pcap", &crate::support::classic::classic());
    let page = page(&folder, &["classic.pcap".into()]);
    let Some(mut browser) = Browser::open(&page, "play", DESKTOP) else {
        return;
    };
    choose(&mut browser, "Speed", "20");
    press(&mut browser, "Play");
    browser.wait("document.querySelector('button[title=Play]').textContent === 'Pause'");
    browser.wait("document.querySelector('button[title=Play]').textContent === 'Play'");
    assert_eq!(browser.text(LIT), "FIN ACK");
    done(browser);
}

#[test]
fn markup_and_controls_from_the_wire_stay_text() {
    let hostile = "<img src=http://192.0.2.9/x onerror=alert(1)></script><script>alert(2)</script>\u{202e}fdp.exe";
    let mut conversation = Conversation::logged_in("192.168.0.2:40000", "192.168.0.21:21");
    conversation.retrieve(hostile, 40_001, 50_001, b"content");
    conversation.exchange(
        "SYST",
        "215 <b onmouseover=alert(3)>UNIX</b> \u{1b}[2J &amp;",
    );
    let folder = Folder::new("page-hostile");
    folder.write("hostile.pcap", &conversation.quit());
    let page = page(&folder, &["hostile.pcap".into()]);
    let html = std::fs::read_to_string(&page).expect("a page");
    assert_eq!(
        html.matches("<script").count(),
        2,
        "the data and the script"
    );
    assert_eq!(html.matches("</script").count(), 2);
    assert!(!html.contains("<img") && !html.contains('\u{202e}') && !html.contains('\u{1b}'));
    let Some(mut browser) = Browser::open(&page, "hostile", DESKTOP) else {
        return;
    };
    browser.value("document.querySelector('.rows').focus()");
    browser.key("End");
    browser.value("document.querySelectorAll('details').forEach((one) => { one.open = true; })");
    let shown = browser.text("document.body.innerText");
    assert!(
        shown.contains("<img src=http://192.0.2.9/x onerror=alert(1)></script>"),
        "{shown}"
    );
    assert!(shown.contains("\\u{202e}fdp.exe"));
    let elements = browser
        .value("document.querySelectorAll('main img, main b[onmouseover], main script').length");
    assert_eq!(elements, json!(0));
    done(browser);
}

#[test]
fn passwords_stand_in_no_page_and_no_diagram_unless_asked_for() {
    let folder = Folder::new("page-secrets");
    let written = |arguments: &[&str]| {
        let output = folder
            .command(arguments)
            .args(captures())
            .output()
            .expect("it runs");
        String::from_utf8(output.stdout).expect("text")
    };
    let secret = "hazel-lantern";
    assert!(!written(&["analyze", "--format", "html", "--previews"]).contains(secret));
    assert!(written(&["analyze", "--format", "html", "--show-passwords"]).contains(secret));
    for format in ["text", "mermaid", "plantuml", "svg", "html"] {
        let diagram = written(&["diagram", "--detail", "packets", "--format", format]);
        assert!(diagram.contains("hidden"), "{format}");
        assert!(!diagram.contains(secret), "{format}");
    }
}

#[test]
fn previews_show_texts_and_small_pictures_and_nothing_else() {
    let mut conversation = Conversation::logged_in("192.168.0.2:40000", "192.168.0.21:21");
    let text = "A first line.\n<b>no markup</b>\n".repeat(300);
    conversation.retrieve("notes.txt", 40_001, 50_001, text.as_bytes());
    conversation.retrieve("dot.png", 40_002, 50_002, DOT);
    let mut wide = DOT.to_vec();
    wide[16..20].copy_from_slice(&5_000_u32.to_be_bytes());
    conversation.retrieve("wide.png", 40_003, 50_003, &wide);
    conversation.retrieve("program", 40_004, 50_004, b"\x7fELF\x02\x01\x01\0");
    let folder = Folder::new("page-previews");
    folder.write("files.pcap", &conversation.quit());
    let said = folder.run(&["analyze", "--previews", "files.pcap"]);
    assert!(
        said.starts_with("exit 2\n") && said.contains("--format html"),
        "{said}"
    );
    let said = folder.run(&[
        "analyze",
        "--format",
        "html",
        "--previews",
        "-o",
        "page.html",
        "files.pcap",
    ]);
    assert!(said.contains("the page may hold secrets"), "{said}");
    let Some(mut browser) = Browser::open(&folder.path().join("page.html"), "previews", DESKTOP)
    else {
        return;
    };
    browser.value(
        "document.querySelectorAll('#session details').forEach((one) => { one.open = true; })",
    );
    browser.wait("document.querySelectorAll('.preview').length === 2");
    let shown = browser.text("document.querySelector('.preview pre').textContent");
    assert!(shown.starts_with("A first line.\n<b>no markup</b>\n"));
    assert_eq!(shown.chars().count(), 4_096 + 2);
    browser.value("document.querySelector('.preview img').scrollIntoView()");
    browser.wait("document.querySelector('.preview img').naturalWidth === 1");
    let gallery = browser.value(
        "[...document.querySelectorAll('.gallery a')].map((one) => [one.getAttribute('href'), one.textContent])",
    );
    assert_eq!(gallery, json!([["#session-1", "dot.pngsession 1"]]));
    done(browser);
}

#[test]
fn a_diagram_as_a_page_begins_with_the_detail_that_was_asked_for() {
    let folder = Folder::new("page-diagram");
    folder.write("classic.pcap", &crate::support::classic::classic());
    let arguments = [
        "diagram",
        "--format",
        "html",
        "--detail",
        "packets",
        "-o",
        "page.html",
        "classic.pcap",
    ];
    assert_eq!(folder.run(&arguments), "exit 0\n");
    let Some(mut browser) = Browser::open(&folder.path().join("page.html"), "diagram", DESKTOP)
    else {
        return;
    };
    let detail = browser.text("document.querySelector('select[aria-label=Detail]').value");
    assert_eq!(detail, "4");
    let rows = browser.text("document.querySelector('.rows li').getAttribute('aria-setsize')");
    assert!(rows.parse::<u64>().expect("a number") > 80);
    done(browser);
}

#[test]
fn on_a_phone_nothing_is_wider_than_the_screen() {
    let folder = Folder::new("page-phone");
    let page = page(&folder, &captures());
    let Some(mut browser) = Browser::open(&page, "phone", (375, 800)) else {
        return;
    };
    let fits = "document.documentElement.scrollWidth <= innerWidth";
    assert_eq!(browser.value(fits), json!(true), "the overview");
    browser.value("location.hash = 'session-15'");
    browser.wait("document.querySelector('.caption') !== null");
    assert_eq!(browser.value(fits), json!(true), "a session");
    browser.prefers("prefers-color-scheme", "dark");
    let dark = browser.text("getComputedStyle(document.body).backgroundColor");
    assert_eq!(dark, "rgb(18, 22, 27)");
    if let Some(place) = std::env::var_os("FTPSCOPE_PICTURES") {
        browser.picture(&PathBuf::from(place).join("phone-dark.png"));
    }
    done(browser);
}

/// Two clients that guess passwords, in sessions of their own, and a third that mistypes once.
fn two_attackers() -> Vec<u8> {
    let mut wire = Wire::new();
    for (client, port) in [(10, 40_000), (11, 41_000)] {
        for attempt in 0..6 {
            let from = format!("192.0.2.{client}:{}", port + attempt);
            let mut ftp = Conversation::open_on(wire, &from, "192.0.2.20:21");
            ftp.exchange("USER root", "331 Password.");
            ftp.exchange(&format!("PASS guess {attempt}"), "530 Login incorrect.");
            ftp.part();
            wire = ftp.wire;
        }
    }
    let mut ftp = Conversation::open_on(wire, "192.0.2.12:42000", "192.0.2.20:21");
    ftp.exchange("USER mira", "331 Password.");
    ftp.exchange("PASS mistyped", "530 Login incorrect.");
    ftp.quit()
}

#[test]
fn every_attacker_is_shown_worst_first_and_named_in_the_sessions() {
    let folder = Folder::new("page-attackers");
    folder.write("attackers.pcap", &two_attackers());
    let page = page(&folder, &["attackers.pcap".into()]);
    let Some(mut browser) = Browser::open(&page, "attackers", DESKTOP) else {
        return;
    };
    let trouble = "[...document.querySelectorAll('#overview section')].at(-1)";
    let shown = browser.text(&format!("{trouble}.innerText"));
    for client in ["192.0.2.10", "192.0.2.11"] {
        let title = format!("{client} was refused 6 logins");
        assert!(shown.contains(&title), "{shown}");
    }
    let badges = browser.value(&format!(
        "[...{trouble}.querySelectorAll('ul.plain > li > .item > .badge')].map((badge) => badge.textContent)"
    ));
    let order = ["high", "failed", "medium", "warning", "low", "info"];
    let ranks: Vec<_> = badges
        .as_array()
        .expect("a list")
        .iter()
        .map(|badge| order.iter().position(|one| *badge == *one))
        .collect();
    assert!(ranks.len() >= 3 && ranks.is_sorted(), "{badges}");
    browser.value("location.hash = 'session-9'");
    browser.wait("document.querySelector('#session .finding') !== null");
    let finding = browser.text("document.querySelector('#session .finding').textContent");
    assert!(
        finding.contains("192.0.2.11 was refused 6 logins"),
        "{finding}"
    );
    assert!(finding.contains("About 6 sessions: 7, 8, 9"), "{finding}");
    done(browser);
}

#[test]
fn keys_work_from_every_part_of_the_player_and_the_counter_begins_at_one() {
    let folder = Folder::new("page-player-keys");
    folder.write("classic.pcap", &crate::support::classic::classic());
    let page = page(&folder, &["classic.pcap".into()]);
    let Some(mut browser) = Browser::open(&page, "player-keys", DESKTOP) else {
        return;
    };
    let position = "document.querySelector('.position').textContent";
    let (first, last) = {
        let text = browser.text(position);
        let (first, last) = text.split_once(" of ").expect("a counter");
        (first.to_owned(), last.to_owned())
    };
    assert_eq!(first, "1");
    for step in 2..12 {
        press(&mut browser, "Step forward");
        assert_eq!(browser.text(position), format!("{step} of {last}"));
    }
    let play = "document.querySelector('.controls .main').textContent";
    for part in [
        ".rows",
        "button[title=\"Step forward\"]",
        ".player .side",
        ".console",
        ".caption",
        "input[type=range]",
        ".controls",
    ] {
        // As a click on the part gives it the keys: to itself, or to the player around it.
        browser.value(&format!(
            "(() => {{ const part = document.querySelector('{part}'); part.focus(); \
             if (document.activeElement !== part) part.closest('[tabindex]').focus(); }})()"
        ));
        browser.key("End");
        assert_eq!(
            browser.text(position),
            format!("{last} of {last}"),
            "{part}"
        );
        browser.key("Home");
        assert_eq!(browser.text(position), format!("1 of {last}"), "{part}");
        browser.key(" ");
        assert_eq!(browser.text(play), "Pause", "{part}");
        browser.key(" ");
        assert_eq!(browser.text(play), "Play", "{part}");
    }
    done(browser);
}

#[test]
fn session_without_rows_is_shown_and_its_controls_do_nothing() {
    // A byte that ends no line has an arrow at packet detail alone.
    let mut wire = Wire::new();
    let mut header = TcpHeader::new(21, 40_000, 9_000, 1_000);
    (header.ack, header.psh) = (true, true);
    header.acknowledgment_number = 9_000;
    let address = |text: &str| text.parse().expect("an address");
    let (server, client) = (address("192.168.0.21:21"), address("192.168.0.2:40000"));
    wire.segment(server, client, header, b"x");
    let folder = Folder::new("page-rowless");
    folder.write("rowless.pcap", &wire.to_pcap());
    let page = page(&folder, &["rowless.pcap".into()]);
    let Some(mut browser) = Browser::open(&page, "rowless", DESKTOP) else {
        return;
    };
    for detail in ["1", "2", "4"] {
        choose(&mut browser, "Detail", detail);
        browser.value("document.querySelector('.rows').focus()");
        for key in ["End", "Home", " ", " ", "ArrowLeft", "ArrowDown", "PageUp"] {
            browser.key(key);
        }
        for title in [
            "To the beginning",
            "Step back",
            "Play",
            "Step forward",
            "To the end",
        ] {
            press(&mut browser, title);
        }
    }
    done(browser);
}

#[test]
fn time_line_draws_the_sessions_of_the_report_and_a_bar_leads_to_its_session() {
    let folder = Folder::new("page-timeline");
    let page = page(&folder, &captures());
    let report = folder
        .command(&["analyze", "--format", "json"])
        .args(captures())
        .output()
        .expect("it runs");
    let report: Value = serde_json::from_slice(&report.stdout).expect("a report");
    let sessions = report["sessions"].as_array().expect("sessions");
    let failed = |one: &&Value| one["verdict"]["status"] == "failed";
    let Some(mut browser) = Browser::open(&page, "timeline", DESKTOP) else {
        return;
    };
    for end in ["client", "server"] {
        browser.value(&format!("document.getElementById('lanes-{end}').click()"));
        let shown = browser.value(
            "[...document.querySelectorAll('#timeline figure')].filter((one) => one.checkVisibility()).map((one) => one.className)",
        );
        assert_eq!(shown, json!([format!("by-{end}")]));
        // One row of the table per lane, with the sums of the report.
        let rows = browser.value(&format!(
            "[...document.querySelectorAll('.by-{end} tbody tr')].map((row) => [...row.children].map((cell) => cell.textContent.replaceAll(',', '')))"
        ));
        let rows = rows.as_array().expect("rows");
        let sum = |column: usize| -> u64 {
            let numbers = rows.iter().map(|row| row[column].as_str().expect("a text"));
            numbers
                .map(|number| number.parse::<u64>().expect("a number"))
                .sum()
        };
        assert_eq!(sum(1), sessions.len() as u64);
        assert_eq!(sum(2), sessions.iter().filter(failed).count() as u64);
        assert_eq!(
            sum(5),
            report["totals"]["file_bytes"].as_u64().expect("bytes")
        );
        let hosts: BTreeSet<&str> = sessions
            .iter()
            .map(|session| session[end]["ip"].as_str().expect("an address"))
            .collect();
        assert_eq!(rows.len(), hosts.len());
    }
    // A bar of its own, or the column that counts it.
    let one = "document.querySelector('.by-server a:is(.t-failed, :has(.t-failed))')";
    let title = browser.text(&format!("{one}.querySelector('title').textContent"));
    let id = browser.text(&format!("{one}.getAttribute('href')"));
    let id: usize = id["#session-".len()..].parse().expect("an id");
    let names = title.starts_with(&format!("Session {id}, failed, "));
    assert!(
        names || title.ends_with(&format!(". Leads to session {id}")),
        "{title}"
    );
    assert!(failed(&&sessions[id - 1]));
    browser.value(&format!(
        "{one}.dispatchEvent(new MouseEvent('click', {{ bubbles: true, cancelable: true }}))"
    ));
    browser.wait("document.getElementById('session-title') !== null");
    let heading = browser.text("document.getElementById('session-title').textContent");
    assert!(heading.starts_with(&format!("Session {id}")), "{heading}");
    let hidden = browser.value("document.getElementById('timeline').checkVisibility()");
    assert_eq!(hidden, json!(false));
    done(browser);
}

#[test]
fn bars_are_positioned_by_the_times_of_the_report() {
    let folder = Folder::new("page-bars");
    folder.write("attackers.pcap", &two_attackers());
    let page = page(&folder, &["attackers.pcap".into()]);
    let report = folder
        .command(&["analyze", "--format", "json", "attackers.pcap"])
        .output()
        .expect("it runs");
    let report: Value = serde_json::from_slice(&report.stdout).expect("a report");
    let Some(mut browser) = Browser::open(&page, "bars", DESKTOP) else {
        return;
    };
    let bars = browser.value(
        "[...document.querySelectorAll('.by-client a')].map((bar) => { const rect = bar.querySelector('.t-bar'); \
         return [bar.getAttribute('href').slice(9), rect.x.baseVal.valueInSpecifiedUnits, rect.width.baseVal.valueInSpecifiedUnits]; })",
    );
    let seconds = |time: &Value| -> f64 {
        let text = time.as_str().expect("a time");
        let number = |range: std::ops::Range<usize>| text[range].parse::<f64>().expect("a number");
        // All of them are within one day.
        number(11..13) * 3_600.0 + number(14..16) * 60.0 + number(17..29)
    };
    let sessions = report["sessions"].as_array().expect("sessions");
    let starts = sessions.iter().map(|one| seconds(&one["start"]));
    let from = starts.fold(f64::INFINITY, f64::min);
    let ends = sessions.iter().map(|one| seconds(&one["end"]));
    let to = ends.fold(0.0, f64::max);
    let bars = bars.as_array().expect("bars");
    assert_eq!(bars.len(), sessions.len());
    for bar in bars {
        let id: usize = bar[0].as_str().expect("an id").parse().expect("a number");
        let session = &sessions[id - 1];
        let x = (seconds(&session["start"]) - from) / (to - from) * 100.0;
        let width = session["duration"].as_f64().expect("a number") / (to - from) * 100.0;
        assert!(
            (bar[1].as_f64().expect("a number") - x).abs() < 0.01,
            "{id}: {bar} {x}"
        );
        assert!(
            (bar[2].as_f64().expect("a number") - width).abs() < 0.31,
            "{id}: {bar} {width}"
        );
    }
    done(browser);
}

#[test]
fn keys_go_from_bar_to_bar_and_the_time_line_is_one_stop() {
    let folder = Folder::new("page-timeline-keys");
    let page = page(&folder, &captures());
    let Some(mut browser) = Browser::open(&page, "timeline-keys", DESKTOP) else {
        return;
    };
    let stops = "document.querySelectorAll('.by-client svg [tabindex=\"0\"]').length";
    assert_eq!(browser.value(stops), json!(1));
    browser.value("document.getElementById('lanes-client').click()");
    browser.value("document.querySelector('.by-client a').focus()");
    let at = "[...document.querySelectorAll('.by-client a')].indexOf(document.activeElement)";
    for (key, expected) in [
        ("ArrowRight", 1),
        ("ArrowDown", 2),
        ("ArrowLeft", 1),
        ("Home", 0),
        ("ArrowUp", 0),
    ] {
        browser.key(key);
        assert_eq!(browser.value(at), json!(expected), "{key}");
    }
    assert_eq!(browser.value(stops), json!(1));
    done(browser);
}

#[test]
fn transfer_plot_shows_the_samples_of_the_report_in_words_and_marks() {
    let folder = Folder::new("page-plot");
    let loss = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures/loss.pcap");
    let page = page(&folder, std::slice::from_ref(&loss));
    let report = |arguments: &[&str]| -> Value {
        let mut command = folder.command(&["analyze", "--format", "json"]);
        let output = command
            .args(arguments)
            .arg(&loss)
            .output()
            .expect("it runs");
        serde_json::from_slice(&output.stdout).expect("a report")
    };
    let connection = |report: &Value| report["sessions"][0]["transfers"][0]["connection"].clone();
    assert!(connection(&report(&[]))["samples"].is_null());
    let sampled = report(&["--samples"]);
    assert!(sampled["sessions"][0]["control"]["samples"].is_null());
    let connection = connection(&sampled);
    let points = connection["samples"]["points"].as_array().expect("points");
    let sum = |name: &str| -> u64 { points.iter().filter_map(|one| one[name].as_u64()).sum() };
    let last = points.last().expect("a point");
    assert_eq!(last["sent"], connection["payload_bytes_from_server"]);
    assert_eq!(last["acknowledged"], last["sent"]);
    assert_eq!(
        json!(sum("retransmitted")),
        connection["retransmitted_bytes"]
    );
    let Some(mut browser) = Browser::open(&page, "plot", DESKTOP) else {
        return;
    };
    browser.value(
        "document.querySelectorAll('.transfers details').forEach((one) => { one.open = true; })",
    );
    browser.wait("document.querySelector('.transfers svg.plot[role=img]') !== null");
    let count = |browser: &mut Browser, kind: &str| {
        browser.value(&format!(
            "document.querySelectorAll('.transfers svg[role=img] .p-{kind}').length"
        ))
    };
    let with = |name: &str| {
        points
            .iter()
            .filter(|one| one[name].as_u64() > Some(0))
            .count()
    };
    assert_eq!(count(&mut browser, "hole"), json!(with("holes")));
    assert_eq!(
        count(&mut browser, "again"),
        json!(with("retransmitted") + with("late"))
    );
    let title =
        browser.text("document.querySelector('.transfers svg[role=img] > title').textContent");
    assert!(
        title.contains("data.bin over time: 200,000 bytes from the server"),
        "{title}"
    );
    let words =
        browser.text("document.querySelector('.transfers svg[role=img] > desc').textContent");
    assert!(words.starts_with("Where the time went: "), "{words}");
    for scheme in ["light", "dark"] {
        browser.prefers("prefers-color-scheme", scheme);
        assert_eq!(browser.value(ACCESSIBILITY), json!([]), "{scheme}");
    }
    done(browser);
}

/// A session whose one download stops for two seconds, since the client's window is closed.
fn slow_client() -> Vec<u8> {
    let mut ftp = Conversation::logged_in("192.168.0.2:40000", "192.168.0.21:21");
    ftp.passive(None, 50_001);
    let mut data = ftp.passive_data(40_001, 50_001);
    ftp.command("RETR slow.bin");
    data.open(&mut ftp.wire);
    ftp.opening("slow.bin", 14_000);
    for part in 0..2 {
        for _ in 0..5 {
            data.say(&mut ftp.wire, Side::Server, &[b'x'; 1_400]);
            data.ack(&mut ftp.wire, Side::Client);
        }
        if part == 0 {
            data.ack_with_window(&mut ftp.wire, Side::Client, 0);
            ftp.wire.wait(Duration::from_secs(2));
            data.ack_with_window(&mut ftp.wire, Side::Client, 60_000);
        }
    }
    data.close(&mut ftp.wire, Side::Server);
    ftp.reply("226 Transfer complete.");
    ftp.quit()
}

#[test]
fn overview_and_session_say_why_a_transfer_was_slow() {
    let folder = Folder::new("page-slow");
    folder.write("slow.pcap", &slow_client());
    let others = captures().remove(0).join("upload.pcap");
    let page = page(&folder, &["slow.pcap".into(), others]);
    let Some(mut browser) = Browser::open(&page, "slow", DESKTOP) else {
        return;
    };
    let overview = browser.text("document.getElementById('overview').innerText");
    for part in [
        "14,000 bytes in 2.0 s",
        "1 transfer slowed down",
        "waited 2.0 s for the client, whose window was full; took 2.0 s",
    ] {
        assert!(overview.contains(part), "{part}: {overview}");
    }
    browser.value("[...document.querySelectorAll('#overview details a')].find((one) => one.textContent === 'slow.bin').click()");
    browser.wait("document.querySelector('.badge.slow') !== null");
    browser.value(
        "document.querySelector('.badge.slow').parentElement.querySelector('button').click()",
    );
    browser.wait("document.querySelector('.transfers details[open] svg.plot[role=img]') !== null");
    let desc = "document.querySelector('.transfers svg[role=img] > desc').textContent";
    let desc = browser.text(desc);
    assert!(
        desc.contains("2.0 s for the client, whose window was full"),
        "{desc}"
    );
    assert_eq!(browser.value(ACCESSIBILITY), json!([]));
    done(browser);
}

#[test]
fn phone_names_time_and_client_of_each_session() {
    let folder = Folder::new("page-phone-rows");
    let page = page(&folder, &captures());
    let Some(mut browser) = Browser::open(&page, "phone-rows", PHONE) else {
        return;
    };
    let row = browser.text("document.querySelector('#sessions tbody tr').innerText");
    let client = browser.text("document.querySelector('#sessions td.from').textContent");
    assert!(row.contains(&client) && !client.is_empty(), "{row}");
    assert!(row.contains("2026-"), "{row}");
    done(browser);
}

#[test]
fn shapes_of_findings_at_the_edges_are_whole_and_cover_no_number() {
    let folder = Folder::new("page-marks");
    let page = page(&folder, &captures());
    for size in [PHONE, DESKTOP] {
        let Some(mut browser) = Browser::open(&page, "marks", size) else {
            return;
        };
        let covered = browser.value(
            "(() => { const within = document.querySelector('.lanes-choice').getBoundingClientRect();
              return [...document.querySelectorAll('figure:not([hidden]) svg[role=group] a')].filter((bar) => bar.getClientRects().length > 0).flatMap((bar) => {
                const number = bar.querySelector('text');
                const uses = [...bar.querySelectorAll('use')].map((use) => use.getBoundingClientRect());
                const cut = uses.some((use) => use.left < within.left - 1 || use.right > within.right + 1);
                const at = number && number.getBoundingClientRect();
                const over = at && uses.some((use) => use.left + 2 < at.right && use.right - 2 > at.left);
                return cut || over ? [bar.textContent] : []; }); })()",
        );
        assert_eq!(covered, json!([]), "{size:?}");
        done(browser);
    }
}

#[test]
fn table_of_hosts_and_credentials_add_up_to_the_report() {
    let folder = Folder::new("page-hosts");
    let page = page(&folder, &captures());
    let report = folder
        .command(&["analyze", "--format", "json"])
        .args(captures())
        .output()
        .expect("it runs");
    let report: Value = serde_json::from_slice(&report.stdout).expect("a report");
    let sessions = report["sessions"].as_array().expect("sessions");
    let Some(mut browser) = Browser::open(&page, "hosts", DESKTOP) else {
        return;
    };
    let cells = browser.value(
        "[...document.querySelectorAll('#hosts td')].map((cell) => cell.textContent).filter((text) => text !== '')",
    );
    let shown: usize = cells
        .as_array()
        .expect("cells")
        .iter()
        .filter_map(|cell| cell.as_str()?.split(' ').next()?.parse::<usize>().ok())
        .sum();
    assert_eq!(shown, sessions.len());
    browser.value("document.querySelector('.credentials').open = true");
    let text = browser.text("document.querySelector('.credentials').innerText");
    assert!(text.contains("mira") && text.contains("<hidden>"), "{text}");
    assert!(!text.contains("hazel-lantern"), "{text}");
    done(browser);
}

/// Checks that need no eyes: names of pictures and controls, order of headings, landmarks, contrast in both schemes.
const ACCESSIBILITY: &str = r##"(() => {
  const faults = [];
  const name = (element) => element.getAttribute("aria-label")
    || (element.getAttribute("aria-labelledby") || "").split(" ").map((id) => (document.getElementById(id) || {}).textContent || "").join(" ").trim()
    || element.textContent.trim() || (element.labels && element.labels.length > 0 ? element.labels[0].textContent.trim() : "")
    || element.getAttribute("title") || element.getAttribute("placeholder");
  for (const svg of document.querySelectorAll("svg")) {
    // Within a picture another one is a part of it.
    if (svg.closest("[aria-hidden=true]") || svg.parentElement.closest("svg")) continue;
    if (!["img", "group"].includes(svg.getAttribute("role"))) faults.push("svg without a role");
    if (!svg.querySelector(":scope > title") || !name(svg)) faults.push("svg without a title");
    if (svg.getAttribute("role") === "img" && svg.querySelector("a, [tabindex]")) faults.push("a picture with controls in it");
  }
  for (const control of document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")) {
    if (control.checkVisibility() && !name(control)) faults.push("no name: " + control.outerHTML.slice(0, 120));
  }
  for (const list of document.querySelectorAll("[id]")) {
    if (document.querySelectorAll("#" + CSS.escape(list.id)).length > 1) faults.push("twice: " + list.id);
  }
  for (const one of document.querySelectorAll("[aria-labelledby], [aria-describedby]")) {
    if (!one.checkVisibility()) continue;
    for (const id of ((one.getAttribute("aria-labelledby") || "") + " " + (one.getAttribute("aria-describedby") || "")).trim().split(/\s+/)) {
      if (!document.getElementById(id)) faults.push("nobody is " + id);
    }
  }
  let level = 0;
  for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
    if (!heading.checkVisibility()) continue;
    const next = Number(heading.tagName[1]);
    if (next > level + 1) faults.push("after h" + level + ": " + heading.textContent);
    level = next;
  }
  for (const landmark of ["main", "header", "h1"]) {
    if (document.querySelectorAll(landmark).length !== 1) faults.push("not one " + landmark);
  }
  for (const cell of document.querySelectorAll("th")) {
    if (!cell.hasAttribute("scope")) faults.push("a head of a table without a scope");
  }
  const light = (color) => {
    const [r, g, b] = color.match(/[\d.]+/g).slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((m, n) => n - m); return (x + 0.05) / (y + 0.05); };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (!/, 0\)|transparent/.test(color)) return color;
    }
    return "rgb(255, 255, 255)";
  };
  for (const text of document.querySelectorAll("main *, header *")) {
    const own = [...text.childNodes].some((node) => node.nodeType === 3 && node.nodeValue.trim() !== "");
    if (!own || !text.checkVisibility() || text.closest(":disabled, title, desc, option, .aloud")) continue;
    const style = getComputedStyle(text);
    const ink = text instanceof SVGElement ? style.fill : style.color;
    const ratio = contrast(ink, behind(text));
    if (ratio < 4.5) faults.push(ratio.toFixed(2) + ": " + text.outerHTML.slice(0, 120));
  }
  for (const shape of document.querySelectorAll("svg :is(rect, use)")) {
    if (!shape.checkVisibility() || shape.matches(".t-break, [fill]") || shape.closest("defs")) continue;
    const style = getComputedStyle(shape);
    const ratio = Math.max(contrast(style.fill, behind(shape)), style.stroke === "none" ? 1 : contrast(style.stroke, behind(shape)));
    if (ratio < 3) faults.push(ratio.toFixed(2) + ": " + shape.outerHTML.slice(0, 120));
  }
  return [...new Set(faults)];
})()"##;

#[test]
fn page_has_names_headings_and_contrast_in_both_color_schemes_and_at_both_widths() {
    let folder = Folder::new("page-accessibility");
    let page = page(&folder, &captures());
    for (size, name) in [(PHONE, "a11y-phone"), (DESKTOP, "a11y-desktop")] {
        let Some(mut browser) = Browser::open(&page, name, size) else {
            return;
        };
        for scheme in ["light", "dark"] {
            browser.prefers("prefers-color-scheme", scheme);
            for hash in ["", "session-8"] {
                browser.value(&format!("location.hash = '{hash}'"));
                let is_shown = if hash.is_empty() { "===" } else { "!==" };
                browser.wait(&format!(
                    "document.getElementById('session-title') {is_shown} null"
                ));
                let faults = browser.value(ACCESSIBILITY);
                assert_eq!(faults, json!([]), "{name} {scheme} {hash}");
                let fits = browser.value("document.documentElement.scrollWidth <= innerWidth");
                assert_eq!(fits, json!(true), "{name} {hash}");
            }
        }
        done(browser);
    }
}

/// Asserts that Chromium itself logged no errors.
fn done(mut browser: Browser) {
    // One more call, so that every message sent before it has arrived.
    browser.value("1");
    assert_eq!(browser.troubles, Vec::<String>::new());
}

fn press(browser: &mut Browser, title: &str) {
    browser.value(&format!(
        "document.querySelector('button[title=\"{title}\"]').click()"
    ));
}

fn choose(browser: &mut Browser, label: &str, value: &str) {
    browser.value(&format!(
        "(() => {{ const s = document.querySelector('select[aria-label=\"{label}\"]'); s.value = '{value}'; \
         s.dispatchEvent(new Event('change')); }})()"
    ));
}

fn search(browser: &mut Browser, words: &str) {
    browser.value(&format!(
        "(() => {{ const s = document.getElementById('search'); s.value = '{words}'; s.dispatchEvent(new Event('input')); }})()"
    ));
}

fn captures() -> Vec<PathBuf> {
    vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures")]
}

/// The page about captures.
fn page(folder: &Folder, captures: &[PathBuf]) -> PathBuf {
    let output = folder
        .command(&["analyze", "--format", "html", "-o", "page.html"])
        .args(captures)
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{output:?}");
    folder.path().join("page.html")
}

/// Returns the label of the highlighted arrow.
const LIT: &str = "document.querySelector('.rows li[aria-current] .label').textContent";
const DESKTOP: (u32, u32) = (1280, 900);
const PHONE: (u32, u32) = (390, 844);
/// A picture of one black pixel.
const DOT: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52,
    0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x00, 0x00, 0x00, 0x3a, 0x7e, 0x9b,
    0x55, 0x00, 0x00, 0x00, 0x0a, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0x60, 0x00, 0x00, 0x00,
    0x02, 0x00, 0x01, 0x48, 0xaf, 0xa4, 0x71, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae,
    0x42, 0x60, 0x82,
];
