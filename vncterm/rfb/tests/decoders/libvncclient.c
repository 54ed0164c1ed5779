/* Shows what a server sends through libvncclient until the bell rings, then writes its frame buffer out.
 *
 * libvncclient PORT BITS RED_MAX RED_SHIFT GREEN_MAX GREEN_SHIFT BLUE_MAX BLUE_SHIFT > PIXELS
 */
#include <rfb/rfbclient.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rfbBool rung = FALSE;

static void bell(rfbClient *client)
{
    (void)client;
    rung = TRUE;
}

static void say(const char *format, ...)
{
    (void)format;
}

static void complain(const char *format, ...)
{
    va_list words;
    va_start(words, format);
    vfprintf(stderr, format, words);
    va_end(words);
}

int main(int count, char **words)
{
    if (count != 9)
        return 2;
    int number[9];
    for (int i = 1; i < 9; i++)
        number[i] = atoi(words[i]);
    rfbClientLog = say;
    rfbClientErr = complain;
    rfbClient *client = rfbGetClient(8, 3, number[2] / 8);
    rfbPixelFormat *format = &client->format;
    format->bitsPerPixel = number[2];
    format->depth = number[2] == 32 ? 24 : number[2];
    format->redMax = number[3];
    format->redShift = number[4];
    format->greenMax = number[5];
    format->greenShift = number[6];
    format->blueMax = number[7];
    format->blueShift = number[8];
    client->Bell = bell;
    client->serverHost = strdup("127.0.0.1");
    client->serverPort = number[1];
    if (!rfbInitClient(client, NULL, NULL)) {
        fputs("no handshake\n", stderr);
        return 1;
    }
    while (!rung) {
        /* It waits by itself, and knows what it has buffered. */
        if (!HandleRFBServerMessage(client)) {
            fputs("a message was not understood\n", stderr);
            return 1;
        }
    }
    size_t pixels = (size_t)client->width * client->height;
    return fwrite(client->frameBuffer, number[2] / 8, pixels, stdout) == pixels ? 0 : 1;
}
