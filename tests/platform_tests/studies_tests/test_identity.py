"""The hospital's own identifiers: kept encrypted, given back for the site that sent them, forgotten in time, keys that rotate."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from studies.identity import OriginalIdentifiers, identities_of, identities_purge, identities_reencrypt
from studies.models import Study, StudyIdentity
from studies.services import study_create
from tests.platform_tests.jobs_tests.conftest import moving_clock  # noqa: F401  a fixture by its name

KEYS = ["a" * 40, "b" * 40]


@pytest.fixture
def study(receive, site, mammogram, png_bytes) -> Study:
    received = receive(png_bytes(), mammogram(AccessionNumber="ACC-9"))
    return study_create(received=received, site=site)


def test_identifiers_come_back_for_the_site_alone(study, site, other_site) -> None:
    found = identities_of(site_id=site.pk, study_ids=[study.pk])

    assert found == {
        study.pk: {
            "study_instance_uid": "1.2.826.0.1.3680043.10.99.2",
            "patient_id": "MRN-0042",
            "accession_number": "ACC-9",
            "sop_instance_uids": ["", "1.2.826.0.1.3680043.10.99.1"],
        }
    }
    assert identities_of(site_id=other_site.pk, study_ids=[study.pk]) == {}


def test_nothing_readable_is_stored_or_shown(study) -> None:
    encrypted = StudyIdentity.objects.get().encrypted

    assert not any(text in encrypted for text in ("MRN-0042", "ACC-9", "1.2.826"))
    assert "MRN" not in repr(OriginalIdentifiers(patient_id="MRN-0042", sop_instance_uids=("1.2.826",)))


def test_pictures_and_a_site_that_wants_none_keep_nothing(receive, site, png_bytes, mammogram, settings) -> None:
    study_create(received=receive(png_bytes()), site=site)
    settings.IDENTITY_KEPT_DAYS = 0
    study_create(received=receive(mammogram()), site=site)

    assert StudyIdentity.objects.count() == 0


def test_they_are_forgotten_in_time_and_the_study_stays(study, settings, moving_clock) -> None:  # noqa: F811
    moving_clock.advance(settings.IDENTITY_KEPT_DAYS * 86_400 - 60)
    assert identities_purge() == 0
    moving_clock.advance(120)
    assert identities_purge() == 1
    assert Study.objects.count() == 1


def test_keys_rotate_without_an_unreadable_moment(study, site, settings, capsys) -> None:
    settings.FIELD_ENCRYPTION_KEYS = KEYS[:1]
    assert identities_of(site_id=site.pk, study_ids=[study.pk])  # written under SECRET_KEY
    call_command("reencrypt_identities")
    assert capsys.readouterr().out == "1 identities are under the newest key\n"

    settings.SECRET_KEY = "another secret key altogether, long enough for every check"
    assert identities_of(site_id=site.pk, study_ids=[study.pk])[study.pk]["patient_id"] == "MRN-0042"
    settings.FIELD_ENCRYPTION_KEYS = [KEYS[1], KEYS[0]]
    assert identities_reencrypt() == 1
    settings.FIELD_ENCRYPTION_KEYS = [KEYS[1]]
    assert identities_of(site_id=site.pk, study_ids=[study.pk])[study.pk]["patient_id"] == "MRN-0042"


def test_a_lost_key_loses_identifiers_and_says_so(study, site, settings, caplog) -> None:
    settings.SECRET_KEY = "another secret key altogether, long enough for every check"

    assert identities_of(site_id=site.pk, study_ids=[study.pk]) == {}
    assert "cannot be decrypted" in caplog.text
    with pytest.raises(CommandError, match="FIELD_ENCRYPTION_KEYS"):
        call_command("reencrypt_identities")


def test_the_very_same_files_have_the_same_content_in_any_order(receive, site, mammogram, png_bytes) -> None:
    one = study_create(received=receive(mammogram(), png_bytes()), site=site)
    two = study_create(received=receive(png_bytes(), mammogram()), site=site)
    other = study_create(received=receive(png_bytes()), site=site)

    assert one.content_sha256 == two.content_sha256 != other.content_sha256
    assert len(one.content_sha256) == 64
