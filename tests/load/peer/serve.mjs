// The npm package's server on a free port of loopback; it says where it listens, as `twocan serve` does.

import { PeerServer } from "peer";

const options = { host: "127.0.0.1", port: 0, path: "/", concurrent_limit: 200_000, alive_timeout: 600_000 };
PeerServer(options, (server) => console.log(`http://127.0.0.1:${server.address().port}/`));
