// Decodes framebuffer updates with noVNC's own decoders, onto a picture of bytes in place of a canvas.
//
// node novnc.mjs FOLDER WIDTH HEIGHT < UPDATES > PIXELS: FOLDER holds the package @novnc/novnc; a pixel
// is red, green, blue and any byte. The updates are as a viewer gets them, in noVNC's pixel format.

import { readFileSync, writeSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, width, height] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
// What it looks for in a browser when it is loaded.
globalThis.window ??= globalThis;
globalThis.WebSocket ??= class {};
const load = async (file) => (await import(pathToFileURL(`${folder}/core/${file}`))).default;
const Websock = await load("websock.js");
const decoders = new Map();
for (const [number, file] of [
    [0, "raw"], [1, "copyrect"], [2, "rre"], [5, "hextile"], [7, "tight"], [16, "zrle"],
]) {
    decoders.set(number, new (await load(`decoders/${file}.js`))());
}
const LAST_RECT = -224;

const pixels = new Uint8Array(width * height * 4);
const put = (x, y, colour) => pixels.set(colour.subarray(0, 3), (y * width + x) * 4);
const display = {
    fillRect(x, y, w, h, colour) {
        const bytes = Uint8Array.from(colour);
        for (let row = y; row < y + h; row++) {
            for (let column = x; column < x + w; column++) put(column, row, bytes);
        }
    },
    copyImage(fromX, fromY, x, y, w, h) {
        const rows = [];
        for (let row = 0; row < h; row++) {
            const start = ((fromY + row) * width + fromX) * 4;
            rows.push(pixels.slice(start, start + w * 4));
        }
        rows.forEach((bytes, row) => pixels.set(bytes, ((y + row) * width + x) * 4));
    },
    blitImage(x, y, w, h, bytes, offset) {
        for (let row = 0; row < h; row++) {
            for (let column = 0; column < w; column++) {
                const at = offset + (row * w + column) * 4;
                put(x + column, y + row, bytes.subarray(at, at + 3));
            }
        }
    },
};

const channel = {
    send() {}, close() {}, binaryType: "arraybuffer", onerror: null, onmessage: null, onopen: null,
    protocol: "", readyState: "open",
};
const sock = new Websock();
sock.attach(channel);

let left = 0;
let rectangle = null;

// Decodes what there is; false when the rest has not come yet.
function decode() {
    if (rectangle === null && left === 0) {
        if (sock.rQwait("an update's head", 4)) return false;
        if (sock.rQshift8() !== 0) throw new Error("not an update");
        sock.rQskipBytes(1);
        left = sock.rQshift16();
        return true;
    }
    if (rectangle === null) {
        if (sock.rQwait("a rectangle's head", 12)) return false;
        const [x, y, w, h] = [0, 0, 0, 0].map(() => sock.rQshift16());
        rectangle = { x, y, w, h, encoding: sock.rQshift32() | 0 };
    }
    const { x, y, w, h, encoding } = rectangle;
    if (encoding === LAST_RECT) {
        left = 0;
        rectangle = null;
        return true;
    }
    const decoder = decoders.get(encoding);
    if (decoder === undefined) throw new Error(`encoding ${encoding}`);
    if (!decoder.decodeRect(x, y, w, h, sock, display, 24)) return false;
    rectangle = null;
    left -= 1;
    return true;
}

const updates = readFileSync(0);
// In pieces, as they come over a network.
for (let at = 0; at < updates.length; at += 10007) {
    const piece = Uint8Array.from(updates.subarray(at, at + 10007));
    channel.onmessage({ data: piece.buffer });
    while (decode());
}
if (left !== 0 || rectangle !== null) throw new Error("the updates end too early");
for (let at = 0; at < pixels.length;) at += writeSync(1, pixels, at);
