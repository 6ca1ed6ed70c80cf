// What tests stand on: a real server on a PostgreSQL of its own, a proxy that can fail, and real tables.

import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROGRAM =
  process.env.ROWBELL_PROGRAM ?? path.join(process.env.CARGO_TARGET_DIR ?? path.join(ROOT, 'target'), 'debug/rowbell');
/** Longest wait for anything, in milliseconds: far beyond what a busy machine needs. */
const PATIENCE = 60_000;

/** A rowbell server on a private PostgreSQL in a directory of its own. */
export class Server {
  #directory = fs.mkdtempSync(path.join(os.tmpdir(), `rowbell-test-${process.pid}-web-`));
  #env;
  #child = null;
  port = 0;

  /** @param {Record<string, string>} env */
  static async start(env = {}) {
    const server = new Server(env);
    process.on('exit', () => server.#clean());
    await server.serve();
    return server;
  }

  /** @param {Record<string, string>} env */
  constructor(env) {
    this.#env = env;
    fs.chmodSync(this.#directory, 0o755);
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts the program; on the port it had, if it ran before. */
  async serve(env = {}) {
    Object.assign(this.#env, env);
    const child = spawn(PROGRAM, ['serve', '--port', String(this.port)], {
      cwd: this.#directory,
      env: { PATH: process.env.PATH, RUST_LOG: 'warn', ...this.#env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child = child;
    const url = await soon('the server to start', new Promise((resolve, reject) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        const found = /http:\/\/[^/\s]+/.exec(line);
        if (found) resolve(found[0]);
      });
      child.on('exit', (code) => reject(new Error(`the server ended with ${code}`)));
    }));
    this.port = Number(new URL(url).port);
  }

  /** Ends the program as a crash would; PostgreSQL goes on. */
  async kill() {
    await this.#end('SIGKILL');
  }

  /** Ends the program and its PostgreSQL. */
  async stop() {
    await this.#end('SIGTERM');
    this.#clean();
  }

  async #end(signal) {
    const child = this.#child;
    this.#child = null;
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.on('exit', resolve));
    child.kill(signal);
    await soon('the server to end', ended);
  }

  /** What is left is ended at once: nobody needs its data. */
  #clean() {
    this.#child?.kill('SIGKILL');
    this.#child = null;
    for (const file of fs.globSync?.(`${this.#directory}/**/postmaster.pid`) ?? findPid(this.#directory)) {
      const pid = Number(fs.readFileSync(file, 'utf8').split('\n')[0]);
      try {
        process.kill(pid, 'SIGQUIT');
      } catch {
        // It ended by itself.
      }
    }
    fs.rmSync(this.#directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  get #psql() {
    return ['-h', path.join(this.#directory, '.rowbell/run'), '-U', 'postgres', '-qAtX', '-v', 'ON_ERROR_STOP=1', 'rowbell'];
  }

  /** Runs SQL and gives what it prints. */
  async sql(text) {
    const child = spawn('psql', this.#psql, { stdio: ['pipe', 'pipe', 'pipe'] });
    child.stdin.end(text);
    let [out, err] = ['', ''];
    child.stdout.on('data', (data) => (out += data));
    child.stderr.on('data', (data) => (err += data));
    const code = await soon(`psql: ${text.slice(0, 60)}`, new Promise((resolve) => child.on('close', resolve)));
    if (code !== 0) throw new Error(`psql: ${err}`);
    return out.trim();
  }

  /** A psql that stays, for statements whose time is taken. */
  session() {
    const child = spawn('psql', this.#psql, { stdio: ['pipe', 'ignore', 'inherit'] });
    return { write: (text) => child.stdin.write(text), end: () => child.stdin.end() };
  }

  /** Makes a table and watches it. */
  async watch(name, columns) {
    await this.sql(`create table ${name} (${columns})`);
    const told = spawnSync(PROGRAM, ['watch', name], { cwd: this.#directory, env: { PATH: process.env.PATH } });
    if (told.status !== 0) throw new Error(`watch ${name}: ${told.stderr}`);
  }

  run(...args) {
    return spawnSync(PROGRAM, args, { cwd: this.#directory, env: { PATH: process.env.PATH }, encoding: 'utf8' });
  }

  async api(path, init = {}) {
    const headers = { 'content-type': 'application/json', ...init.headers };
    return fetch(`${this.url}/api/${path}`, { ...init, headers });
  }
}

function findPid(directory) {
  const found = spawnSync('find', ['-L', directory, '-name', 'postmaster.pid'], { encoding: 'utf8' });
  return found.stdout.split('\n').filter(Boolean);
}

/** A network between client and server that can be cut, or go silent. */
export class Proxy {
  #pairs = new Set();
  #listener;
  #isSilent = false;
  #isDown = false;
  #dies = null;
  port = 0;
  connections = 0;

  /** @param {() => number} to port */
  static async start(to) {
    const proxy = new Proxy(to);
    await new Promise((resolve) => proxy.#listener.listen(0, '127.0.0.1', () => resolve(undefined)));
    proxy.port = proxy.#listener.address().port;
    return proxy;
  }

  constructor(to) {
    this.#listener = net.createServer((near) => {
      this.connections += 1;
      if (this.#isDown) return near.destroy();
      const far = net.connect(to(), '127.0.0.1');
      const pair = { near, far, isStranded: false };
      this.#pairs.add(pair);
      const forget = () => (this.#pairs.delete(pair), near.destroy(), far.destroy());
      near.on('data', (data) => pair.isStranded || this.#pass(data, far, 'request')).on('close', forget).on('error', forget);
      far.on('data', (data) => pair.isStranded || this.#pass(data, near, 'answer')).on('close', forget).on('error', forget);
    });
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  #pass(data, to, what) {
    if (this.#isSilent) return;
    if (this.#dies?.hits(String(data.subarray(0, 4096)), what)) {
      this.#dies.done();
      this.#dies = null;
      return this.down();
    }
    to.write(data);
  }

  /** Takes bytes and forgets them, both ways. */
  silence() {
    this.#isSilent = true;
  }

  /** Forgets the connections there are, without their ends hearing of it, as a network does while a machine sleeps. */
  strand() {
    for (const pair of this.#pairs) pair.isStranded = true;
  }

  /** Breaks every connection and refuses new ones. */
  down() {
    this.#isDown = true;
    for (const { near, far } of this.#pairs) near.destroy(), far.destroy();
  }

  /** Passes on again, up to the moment that `downAt` waits for. */
  up() {
    [this.#isDown, this.#isSilent] = [false, false];
  }

  /** Goes down at the first piece that hits, which is lost. Settles when it has happened. */
  downAt(hits) {
    return new Promise((done) => (this.#dies = { hits, done }));
  }

  close() {
    this.down();
    this.#listener.close();
  }
}

/** Fails where something takes for ever. */
export async function soon(what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Waits until something is true, looking again and again: for what tells nobody when it changes. */
export async function until(what, holds) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const value = await holds();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
