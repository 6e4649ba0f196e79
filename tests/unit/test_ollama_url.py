"""Ollama's own forms of an address, and addresses that are refused with the reason."""

import pytest

from cluster.ollama_url import OddUrl, host_of, model_server_url


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
        ("169.254.7.7", "http://169.254.7.7:11434"),  # two PCs on one cable name themselves so
    ],
)
def test_every_form_that_ollama_takes_gives_one_plain_url(text: str, url: str) -> None:
    assert model_server_url(text) == url
    assert model_server_url(url) == url


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://169.254.169.254", "metadata"),
        ("http://169.254.169.254:11434/latest/", "metadata"),
        ("[::ffff:169.254.169.254]", "metadata"),
        ("http://[fd00:ec2::254]", "metadata"),
        ("http://metadata.google.internal", "metadata"),
        ("http://Metadata.Google.Internal.", "metadata"),
        ("http://100.100.100.200", "metadata"),
        ("http://2852039166", "disguise"),
        ("http://0xa9fea9fe", "disguise"),
        ("http://0251.0376.0251.0376", "disguise"),
        ("127.1", "disguise"),
        ("http://user:secret@10.0.0.1:11434", "user name"),
        ("user@10.0.0.1", "user name"),
        ("file:///etc/passwd", "not http"),
        ("file:/etc/passwd", "not http"),
        ("ftp://10.0.0.1", "not http"),
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
