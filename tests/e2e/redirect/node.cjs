// Leads every connection to port 443 to the test server, as an entry in
// /etc/hosts and a port forward would: node --require node.cjs
const net = require('net');
const real = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...args) {
  const o = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (o && typeof o === 'object' && Number(o.port) === 443) {
    o.host = '127.0.0.1';
    o.port = Number(process.env.TEST_PORT);
  }
  return real.apply(this, args);
};
