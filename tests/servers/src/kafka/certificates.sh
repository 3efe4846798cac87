# Certificates in a folder, the argument: a CA of our own (ca.pem), what the broker shows (broker.pem: its key, its
# certificate, the CA's), and a CA that signed nothing (stranger.pem).
set -eu
cd "$1"
ca() {
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$2" -keyout "$1.key" -out "$1.pem"
}
{
  ca ca panofleet-test
  ca stranger panofleet-stranger
  openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout broker.key -out broker.csr
  printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n' >broker.ext
  openssl x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile broker.ext -out broker.crt
} 2>certificates.log || { cat certificates.log >&2; exit 1; }
cat broker.key broker.crt ca.pem >broker.pem
