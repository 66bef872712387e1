//! Where simulated devices are and whom they belong to. Invented people; places on one coast, so that a map would make sense.

/// A site.
#[derive(Debug, PartialEq, Eq)]
pub struct Site {
    /// As device names begin.
    pub code: &'static str,
    /// As its scope is called: `site:<slug>`.
    pub slug: &'static str,
    /// Label `region`.
    pub region: &'static str,
}

/// Sites, the large ones first.
pub const SITES: [Site; 8] = [
    Site { code: "LOW", slug: "lowestoft", region: "north" },
    Site { code: "HAR", slug: "harwich", region: "south" },
    Site { code: "FEL", slug: "felixstowe", region: "south" },
    Site { code: "NOR", slug: "norwich", region: "north" },
    Site { code: "IPS", slug: "ipswich", region: "south" },
    Site { code: "YAR", slug: "yarmouth", region: "north" },
    Site { code: "CLA", slug: "clacton", region: "south" },
    Site { code: "ALD", slug: "aldeburgh", region: "coast" },
];

const GIVEN: [&str; 32] = [
    "Ruth", "Kari", "Jonas", "Dumisani", "Samira", "Luc", "Priya", "Tunde", "Marta", "Hiro", "Carla", "Aniela", "Owen", "Leila",
    "Bram", "Noor", "Eilidh", "Mateo", "Yusuf", "Greta", "Ines", "Pavel", "Abena", "Callum", "Wen", "Sofia", "Idris", "Freya",
    "Tomasz", "Nadia", "Elias", "Mina",
];

const FAMILY: [&str; 32] = [
    "Adeyemi",
    "Sørensen",
    "Whitlock",
    "Mbeki",
    "Haddad",
    "Fontaine",
    "Greer",
    "Osei",
    "Lindqvist",
    "Reyes",
    "Tanaka",
    "Nowak",
    "Pritchard",
    "Okafor",
    "de Vries",
    "Farouk",
    "Mackay",
    "Salazar",
    "Demir",
    "Hartmann",
    "Carvalho",
    "Novotny",
    "Mensah",
    "Doyle",
    "Zhang",
    "Rossi",
    "Bello",
    "Halvorsen",
    "Wilk",
    "Petrov",
    "Keane",
    "Rahimi",
];

/// The person a device belongs to: all 1,024 names come before one comes again.
#[must_use]
pub fn person(index: u64) -> String {
    let at = usize::try_from(index % 1_024).expect("below 1,024");
    format!("{} {}", GIVEN[at % 32], FAMILY[(at / 32 + at * 5) % 32])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn people_have_different_names() {
        assert_eq!((0..1_024).map(person).collect::<HashSet<_>>().len(), 1_024);
    }
}
