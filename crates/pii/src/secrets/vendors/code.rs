//! Keys of where code is kept, built and watched.

use super::Vendor;

pub(super) const FORMS: &[Vendor] = &[
    (
        "github",
        &[
            r"ghs_[0-9]{1,20}_eyJ[A-Za-z0-9_-]{1,200}\.eyJ[A-Za-z0-9_-]{1,200}\.[A-Za-z0-9_-]{1,200}",
            r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
            r"gh[pous]_[A-Za-z0-9]{36}",
            r"ghr_[A-Za-z0-9]{76}",
        ],
    ),
    (
        "gitlab",
        &[
            r"glpat-[A-Za-z0-9_-]{27,300}\.[0-9a-z]{2}\.[0-9a-z]{9}",
            r"gldt-[A-Za-z0-9_-]{27,300}\.[0-9a-z]{2}\.[0-9a-z]{9}",
            r"glrt-[A-Za-z0-9_-]{27,300}\.[0-9a-z]{2}\.[0-9a-z]{9}",
            r"glpat-[A-Za-z0-9_-]{27,300}\.[0-9a-z]{9}",
            r"gldt-[A-Za-z0-9_-]{27,300}\.[0-9a-z]{9}",
            r"glrt-[A-Za-z0-9_-]{27,300}\.[0-9a-z]{9}",
            r"glcbt-[0-9a-f]{1,5}_[A-Za-z0-9_-]{20}",
            r"glrt-t[0-9]_[A-Za-z0-9_-]{20}",
            r"GR1348941[A-Za-z0-9_-]{20}",
            r"glagent-[A-Za-z0-9_-]{50}",
            r"glffct-[A-Za-z0-9_-]{20}",
            r"glsoat-[A-Za-z0-9_-]{20}",
            r"glimt-[A-Za-z0-9_-]{25}",
            r"glpat-[A-Za-z0-9_-]{20}",
            r"gldt-[A-Za-z0-9_-]{20}",
            r"glft-[A-Za-z0-9_-]{20}",
            r"glrt-[A-Za-z0-9_-]{20}",
            r"gloas-[0-9a-f]{64}",
            r"glptt-[0-9a-f]{40}",
        ],
    ),
    ("npm", &[r"npm_[A-Za-z0-9]{36}"]),
    (
        "pypi",
        &[
            r"pypi-AgENdGVzdC5weXBpLm9yZw[A-Za-z0-9_-]{50,1000}",
            r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,1000}",
        ],
    ),
    ("rubygems", &[r"rubygems_[0-9a-f]{48}"]),
    (
        "crates_io",
        &[r"cio_tp_[A-Za-z0-9]{32}", r"cio[A-Za-z0-9]{32}"],
    ),
    ("nuget", &[r"oy2[0-9a-z]{43}"]),
    (
        "docker_hub",
        &[r"dckr_oat_[A-Za-z0-9_-]{32}", r"dckr_pat_[A-Za-z0-9_-]{27}"],
    ),
    (
        "artifactory",
        &[r"cmVmdGtu[A-Za-z0-9]{56}", r"AKCp[A-Za-z0-9]{69}"],
    ),
    (
        "terraform_cloud",
        &[r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9]{60,70}"],
    ),
    ("pulumi", &[r"pul-[0-9a-f]{40}"]),
    ("octopus", &[r"API-[A-Z0-9]{26}"]),
    (
        "circleci",
        &[
            r"CCIPAT_[A-Za-z0-9]{22}_[0-9a-f]{40}",
            r"CCIPRJ_[A-Za-z0-9]{22}_[0-9a-f]{40}",
        ],
    ),
    ("buildkite", &[r"bkua_[0-9a-f]{40}"]),
    ("prefect", &[r"pnu_[A-Za-z0-9]{36}"]),
    ("sonarqube", &[r"sq[upa]_[0-9A-Za-z]{40}"]),
    (
        "sentry",
        &[
            r"sntrys_eyJ[A-Za-z0-9+/]{40,400}={0,2}_[A-Za-z0-9+/]{43}",
            r"sntry[uai]_[0-9a-f]{64}",
        ],
    ),
    (
        "launchdarkly",
        &[
            r"api-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            r"sdk-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        ],
    ),
    (
        "sourcegraph",
        &[
            r"sgp_[0-9a-fA-F]{16}_[0-9a-fA-F]{40}",
            r"sgp_local_[0-9a-fA-F]{40}",
            r"sgp_[0-9a-fA-F]{40}",
        ],
    ),
    (
        "linear",
        &[r"lin_api_[A-Za-z0-9]{40}", r"lin_oauth_[0-9a-f]{64}"],
    ),
    (
        "atlassian",
        &[
            r"AT[ACS]TT3[A-Za-z0-9_-]{100,250}=?[0-9A-F]{0,8}",
            r"ATBB[A-Za-z0-9]{24}[0-9A-F]{8}",
        ],
    ),
    ("postman", &[r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"]),
    ("castai", &[r"castai_v1_[0-9a-f]{64}_[0-9a-f]{8}"]),
    ("openshift", &[r"sha256~[A-Za-z0-9_-]{43}"]),
    ("deno", &[r"ddp_[A-Za-z0-9]{36}"]),
    (
        "harness",
        &[r"[ps]at\.[A-Za-z0-9_-]{22}\.[0-9a-f]{24}\.[A-Za-z0-9]{20}"],
    ),
    ("infracost", &[r"ico-[A-Za-z0-9]{32}"]),
    ("clojars", &[r"CLOJARS_[a-z0-9]{60}"]),
    ("cloudsmith", &[r"csa_[0-9a-f]{30}[A-Za-z0-9]{6}"]),
    ("readme", &[r"rdme_[a-z0-9]{70}"]),
    ("apify", &[r"apify_api_[A-Za-z0-9]{34,38}"]),
    (
        "dependency_track",
        &[
            r"odt_[A-Za-z0-9]{8}_[A-Za-z0-9]{32}",
            r"odt_[A-Za-z0-9]{32,36}",
        ],
    ),
    (
        "docker_swarm",
        &[
            r"SWMTKN-1-[a-z0-9]{49,50}-[a-z0-9]{25}",
            r"SWMKEY-1-[A-Za-z0-9+/]{43}",
        ],
    ),
    ("rootly", &[r"rootly_[0-9a-f]{64}"]),
];
