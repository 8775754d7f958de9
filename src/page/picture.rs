//! How large a picture is, from its first bytes: a small file can unfold into one that no page should show.

/// What a picture is, and its sides in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) media_type: &'static str,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// Whether these first bytes begin a picture of a kind that pages show.
pub(super) fn begins_picture(bytes: &[u8]) -> bool {
    bytes.starts_with(PNG)
        || bytes.starts_with(b"\xff\xd8\xff")
        || bytes.starts_with(b"GIF87a")
        || bytes.starts_with(b"GIF89a")
        || (bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP"))
}

/// The picture that these bytes are, if they are one and say how large it is.
pub(super) fn picture(bytes: &[u8]) -> Option<Picture> {
    let (media_type, (width, height)) = if bytes.starts_with(PNG) {
        ("image/png", png(bytes)?)
    } else if bytes.starts_with(b"\xff\xd8\xff") {
        ("image/jpeg", jpeg(bytes)?)
    } else if bytes.starts_with(b"GIF8") {
        ("image/gif", (little16(bytes, 6)?, little16(bytes, 8)?))
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12)? == b"WEBP" {
        ("image/webp", webp(bytes)?)
    } else {
        return None;
    };
    Some(Picture {
        media_type,
        width,
        height,
    })
}

/// The IHDR chunk comes first.
fn png(bytes: &[u8]) -> Option<(u32, u32)> {
    let side = |at| {
        let side = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_be_bytes(side))
    };
    (bytes.get(12..16)? == b"IHDR").then_some((side(16)?, side(20)?))
}

/// The frame header stands somewhere behind segments that tell their length.
fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    let big16 = |at: usize| {
        let pair = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(u16::from_be_bytes(pair))
    };
    let mut at: usize = 2;
    for _ in 0..SEGMENTS {
        if *bytes.get(at)? != 0xff {
            return None;
        }
        let marker = *bytes.get(at.checked_add(1)?)?;
        match marker {
            0xff => at = at.checked_add(1)?,
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                let (height, width) = (big16(at.checked_add(5)?)?, big16(at.checked_add(7)?)?);
                return Some((width.into(), height.into()));
            }
            _ => {
                let length = big16(at.checked_add(2)?)?;
                at = at.checked_add(2)?.checked_add(length.into())?;
            }
        }
    }
    None
}

/// Three kinds of first chunk, each with its own way to say it.
fn webp(bytes: &[u8]) -> Option<(u32, u32)> {
    let little24 = |at: usize| match bytes.get(at..at + 3)? {
        &[a, b, c] => Some(u32::from_le_bytes([a, b, c, 0])),
        _ => None,
    };
    match bytes.get(12..16)? {
        b"VP8 " if bytes.get(23..26)? == [0x9d, 0x01, 0x2a] => {
            Some((little16(bytes, 26)? & 0x3fff, little16(bytes, 28)? & 0x3fff))
        }
        b"VP8L" if *bytes.get(20)? == 0x2f => {
            let bits = u32::from_le_bytes(bytes.get(21..25)?.try_into().ok()?);
            Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        b"VP8X" => Some((little24(24)? + 1, little24(27)? + 1)),
        _ => None,
    }
}

fn little16(bytes: &[u8], at: usize) -> Option<u32> {
    let pair = bytes.get(at..at + 2)?.try_into().ok()?;
    Some(u16::from_le_bytes(pair).into())
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Segments looked through in front of a frame header.
const SEGMENTS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_read_from_all_four_kinds() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x01\0\0\0\x02\0";
        let sides = |bytes: &[u8]| {
            let picture = picture(bytes).expect("a picture");
            (picture.media_type, picture.width, picture.height)
        };
        assert_eq!(sides(png), ("image/png", 256, 512));
        assert_eq!(sides(b"GIF89a\x10\0\x20\0"), ("image/gif", 16, 32));
        let jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x11\x08\x00\x30\x00\x40";
        assert_eq!(sides(jpeg), ("image/jpeg", 64, 48));
        let extended = b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0\0\0\0\x0f\0\0\x1f\0\0";
        assert_eq!(sides(extended), ("image/webp", 16, 32));
    }

    #[test]
    fn what_is_cut_or_lies_is_no_picture() {
        for bytes in [
            &b""[..],
            b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0",
            b"\xff\xd8\xff\xe0\xff\xff",
            b"\xff\xd8\xff\xe0\0\0\xff\xe0\0\0",
            b"RIFF\0\0\0\0WEBPVP8L",
            b"<svg onload=alert(1)>",
        ] {
            assert_eq!(picture(bytes), None);
        }
    }
}
