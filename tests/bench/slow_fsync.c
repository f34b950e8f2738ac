/* Makes every fsync and fdatasync 15 ms slower: an SD card of class A1. For LD_PRELOAD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

static void wait_like_a_card(void) {
    struct timespec wait = {0, 15 * 1000 * 1000};
    nanosleep(&wait, 0);
}

int fsync(int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    wait_like_a_card();
    return real(fd);
}

int fdatasync(int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync");
    wait_like_a_card();
    return real(fd);
}
