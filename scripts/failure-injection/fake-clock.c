/* Wall clock of one process, moved by a number of nanoseconds that lies in the file named by FAKE_CLOCK_FILE.
   Loaded before the C library. The monotonic clocks stay as they are. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NANOSECONDS 1000000000LL

static volatile const int64_t *offset;

__attribute__((constructor)) static void map_offset(void) {
  const char *path = getenv("FAKE_CLOCK_FILE");
  int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  void *page = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
  if (page != MAP_FAILED) offset = page;
  close(file);
}

static void wall_time(struct timespec *time) {
  syscall(SYS_clock_gettime, CLOCK_REALTIME, time);
  if (offset == NULL) return;
  int64_t now = (int64_t)time->tv_sec * NANOSECONDS + time->tv_nsec + *offset;
  time->tv_sec = now / NANOSECONDS;
  time->tv_nsec = now % NANOSECONDS;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
    return (int)syscall(SYS_clock_gettime, clock, time);
  wall_time(time);
  return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  struct timespec now;
  (void)zone;
  wall_time(&now);
  if (time != NULL) {
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
  }
  return 0;
}

time_t time(time_t *result) {
  struct timespec now;
  wall_time(&now);
  if (result != NULL) *result = now.tv_sec;
  return now.tv_sec;
}
