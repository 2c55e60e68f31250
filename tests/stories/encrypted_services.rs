//! A PostgreSQL and a Redis of a story's own that speak TLS and nothing else, with certificates of an authority of their
//! own.
//!
//! They end with the story: when its end of a pipe closes, also if it is killed.

use crate::server::free_address;
use crate::waiting::until;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Makes two authorities and one certificate of the first, for the address 127.0.0.1 and no name; starts both servers in
/// the folder `$1`, PostgreSQL on port `$2` and Redis on port `$3`; and stops them when its input ends. PostgreSQL refuses
/// to run as root: then it runs as nobody.
const SERVERS: &str = r#"
set -eu
cd "$1"
if [ "$(id -u)" = 0 ]; then
    as_nobody() { setpriv --reuid=nobody --regid=nogroup --clear-groups env HOME="$PWD" "$@"; }
else
    as_nobody() { "$@"; }
fi
places='/usr/lib/postgresql /usr/local/pgsql /usr/local/bin /usr/bin'
programs=$(dirname "$(find $places -name initdb -not -type d 2>/dev/null | sort -V | tail -n 1)")
key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
for authority in authority stranger; do
    openssl req -x509 $key -keyout $authority.key -out $authority.pem -days 2 -subj "/CN=$authority"
done
openssl req $key -keyout server.key -out server.request -subj /CN=server
printf 'subjectAltName=IP:127.0.0.1\n' >server.extensions
openssl x509 -req -in server.request -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 \
    -extfile server.extensions -out server.pem

mkdir -m 700 postgres
[ "$(id -u)" != 0 ] || chown nobody:nogroup postgres
as_nobody "$programs/initdb" -D postgres -U gridwork --auth=trust --encoding=UTF8 --no-locale --no-sync
cp server.key server.pem postgres/
chmod 600 postgres/server.key
[ "$(id -u)" != 0 ] || chown nobody:nogroup postgres/server.key
cat >>postgres/postgresql.conf <<END
listen_addresses = '127.0.0.1'
port = $2
unix_socket_directories = ''
fsync = off
ssl = on
ssl_cert_file = 'server.pem'
ssl_key_file = 'server.key'
END
echo 'hostssl all all 127.0.0.1/32 trust' >postgres/pg_hba.conf
redis=
stop() {
    [ -z "$redis" ] || kill "$redis" || true
    as_nobody "$programs/pg_ctl" -D postgres -m immediate -w stop || true
}
trap stop EXIT
as_nobody "$programs/pg_ctl" -D postgres -l postgres/log -w -t 60 start
redis-server --port 0 --tls-port "$3" --bind 127.0.0.1 --save '' --appendonly no --tls-auth-clients no \
    --tls-cert-file server.pem --tls-key-file server.key --tls-ca-cert-file authority.pem &
redis=$!
echo started >&3
cat
"#;

/// Both of them.
pub(crate) struct EncryptedServices {
    folder: TempDir,
    process: Child,
    postgres: SocketAddr,
    redis: SocketAddr,
}

impl EncryptedServices {
    /// Starts them, and waits until they listen.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // Whoever runs PostgreSQL gets to its folder.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("our folder");
        let (postgres, redis) = (free_address(), free_address());
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let mut shell = Command::new("sh");
        // The third of its files is this pipe; the servers write to the log.
        shell.args(["-c", "exec 3>&1 >&2; exec sh -c \"$0\" sh \"$@\"", SERVERS]).arg(folder.path());
        shell.args([postgres.port().to_string(), redis.port().to_string()]);
        let process = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn().expect("a shell");
        let mut services = Self { folder, process, postgres, redis };
        services.wait();
        services
    }

    /// PostgreSQL by this name, of whom those authorities vouch.
    pub(crate) fn postgres(&self, host: &str, authorities: &str) -> String {
        let (port, authorities) = (self.postgres.port(), self.path(authorities));
        let tls = format!("sslmode=verify-full&sslrootcert={}", authorities.display());
        format!("postgres://gridwork@{host}:{port}/postgres?{tls}")
    }

    /// PostgreSQL without encryption.
    pub(crate) fn postgres_in_the_clear(&self) -> String {
        format!("postgres://gridwork@{}/postgres?sslmode=disable", self.postgres)
    }

    /// Redis.
    pub(crate) fn redis(&self) -> String {
        format!("rediss://{}/", self.redis)
    }

    /// A file of certificates: `authority.pem`, or `stranger.pem`, which vouches for nobody here.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn wait(&mut self) {
        let mut line = String::new();
        let pipe = self.process.stdout.take().expect("a pipe");
        BufReader::new(pipe).read_line(&mut line).expect("text");
        let log = || std::fs::read_to_string(self.path("log")).unwrap_or_default();
        assert_eq!(line, "started\n", "they need openssl, PostgreSQL and Redis: {}", log());
        until("Redis listens", Duration::from_secs(20), || TcpStream::connect(self.redis).ok());
    }
}

impl Drop for EncryptedServices {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait(); // it was there, and stops both
    }
}
