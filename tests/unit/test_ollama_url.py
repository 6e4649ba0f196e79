"""Ollama's own forms of an address, and addresses that are refused with the reason."""

import pytest

from cluster.ollama_url import OddUrl, host_of, model_server_url
from cluster.settings import InvalidSettings, Settings


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("1.2.3.4", "http://1.2.3.4:11434"),
        ("1.2.3.4:1234", "http://1.2.3.4:1234"),
        (":1234", "http://127.0.0.1:1234"),
        ("example.com", "http://example.com:11434"),
        ("PC2.Lan:1234", "http://pc2.lan:1234"),
        ("http://1.2.3.4", "http://1.2.3.4:80"),
        ("https://1.2.3.4", "https://1.2.3.4:443"),
        ("HTTPS://1.2.3.4:4321", "https://1.2.3.4:4321"),
        ("http://192.168.1.42:11434", "http://192.168.1.42:11434"),
        ("http://192.168.1.42:11434/", "http://192.168.1.42:11434"),
        ("example.com/ollama", "http://example.com:11434/ollama"),
        ("https://example.com/ollama/", "https://example.com:443/ollama"),
        ("::1", "http://[::1]:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:1234", "http://[::1]:1234"),
        ("http://[fe80::1]:1234", "http://[fe80::1]:1234"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:1234", "http://127.0.0.1:1234"),
        ("http://0.0.0.0:1234", "http://127.0.0.1:1234"),
        ("[::]:1234", "http://127.0.0.1:1234"),
        ("::", "http://127.0.0.1:11434"),
        ('"1.2.3.4"', "http://1.2.3.4:11434"),
        ("  1.2.3.4  ", "http://1.2.3.4:11434"),
        ("http://[fe80::1%eth0]:1234", "http://[fe80::1%eth0]:1234"),
        ("http://[::ffff:192.168.1.5]:1", "http://192.168.1.5:1"),
        ("http://[64:ff9b::192.168.1.5]:1", "http://[64:ff9b::c0a8:105]:1"),
        ("169.254.7.7", "http://169.254.7.7:11434"),  # two PCs on one cable name themselves so
    ],
)
def test_every_form_that_ollama_takes_gives_one_plain_url(text: str, url: str) -> None:
    assert model_server_url(text) == url
    assert model_server_url(url) == url


METADATA = (
    *("http://169.254.169.254", "http://169.254.169.254:11434/latest/", "169.254.169.254."),
    *("[::ffff:169.254.169.254]", "::ffff:169.254.169.254", "http://[::ffff:a9fe:a9fe]"),
    *("http://[0:0:0:0:0:ffff:169.254.169.254]", "http://[::169.254.169.254]"),
    *("http://[::ffff:0:169.254.169.254]", "http://[64:ff9b::a9fe:a9fe]"),
    *("http://[64:ff9b:1::a9fe:a9fe]", "http://[2002:a9fe:a9fe::]", "http://[2002:a9fe:a9fe::1]"),
    *("http://[fd00:ec2::254]", "http://[fd00:0ec2:0:0:0:0:0:254]", "fd00:ec2::254%1"),
    *("http://[fd00:ec2::254%25eth0]", "http://[fd20:ce::254]", "http://[::ffff:100.100.100.200]"),
    *("http://metadata.google.internal", "http://Metadata.Google.Internal.", "metadata.goog"),
    *("http://metadata.google.internal..", "http://instance-data.ec2.internal", "metadata"),
    *("http://100.100.100.200", "http://168.63.129.16", "http://169.254.170.2", "169.254.170.23"),
)
DISGUISED = (
    *("http://2852039166", "http://0xa9fea9fe", "http://0xa9fea9fe.", "0XA9FEA9FE"),
    *("http://025177524776", "http://0251.0376.0251.0376", "0251.254.169.254"),
    *("0xa9.0xfe.0xa9.0xfe", "http://169.254.43518", "169.16689662", "127.1", "0", "0x0"),
    *("http://１６９.254.169.254", "http://%31%36%39.254.169.254", "1.1.1.1.1", "0177.0.0.1"),
)


@pytest.mark.parametrize("text", METADATA)
def test_row_43_a_metadata_address_is_refused_in_every_notation(text: str) -> None:
    with pytest.raises(OddUrl, match="metadata"):
        model_server_url(text)


@pytest.mark.parametrize("text", DISGUISED)
def test_row_43_a_number_that_is_not_four_plain_ones_is_refused(text: str) -> None:
    with pytest.raises(OddUrl, match="disguise"):
        model_server_url(text)


@pytest.mark.parametrize(
    "text", [*METADATA, *DISGUISED, "file:///etc/passwd", "http://u:p@10.0.0.1"]
)
@pytest.mark.parametrize("variable", ["COUNCIL_OLLAMA_URL", "OLLAMA_HOST"])
def test_row_43_the_settings_refuse_it_at_start_and_name_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(InvalidSettings) as refused:
        Settings.load()
    assert variable in str(refused.value)
    assert "u:p" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://user:secret@10.0.0.1:11434", "user name"),
        ("user@10.0.0.1", "user name"),
        ("file:///etc/passwd", "not http"),
        ("file:/etc/passwd", "not http"),
        ("ftp://10.0.0.1", "not http"),
        ("javascript:alert(1)", "not http"),
        ("http+unix://x", "not http"),
        ("//10.0.0.1", "no host"),
        ("/etc/passwd", "no host"),
        ("http://169。254。169。254", "not a host name"),
        ("http://[169.254.169.254]", "not a host name"),
        ("http://10.0.0.1%00.x", "not a host name"),
        ("http://x:٣", "not a port"),
        ("http://10.0.0.1:0", "not a port"),
        ("10.0.0.1:99999", "not a port"),
        ("10.0.0.1:ollama", "not a port"),
        ("10.0.0.1:", "not a port"),
        ("http://10.0.0.1/?x=1", "backslash"),
        ("http://10.0.0.1#x", "backslash"),
        ("http://10.0.0.1\\@evil", "user name"),
        ("10.0.0.1\r\nX: y", "control"),
        ("a b", "white space"),
        ("http://-bad-", "not a host name"),
        ("http://a..b", "not a host name"),
        ("http://[zz]", "not a host name"),
        ("http://exa%6dple.com", "not a host name"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "broadcast"),
    ],
)
def test_an_odd_address_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(OddUrl, match=reason):
        model_server_url(text)


def test_the_refusal_does_not_repeat_a_password() -> None:
    with pytest.raises(OddUrl) as refused:
        model_server_url("http://user:hunter2@10.0.0.1")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "host"), [("http://[::1]:1", "::1"), ("http://192.168.1.42:11434", "192.168.1.42")]
)
def test_the_host_of_a_url_can_name_its_pc(url: str, host: str) -> None:
    assert host_of(url) == host
