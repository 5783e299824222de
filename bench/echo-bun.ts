/** The echo server that a user of Bun would write without us. Prints "port N" when it listens; a signal ends it. */
const server = Bun.listen({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    data: (socket, data) => void socket.write(data),
  },
});
console.log(`port ${server.port}`);
