// What nearly every file of this folder includes, read by the compiler once. A file still includes
// what it uses.
#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "dp/base/error_text.h"
#include "dp/base/log.h"
#include "dp/shm/snapshot.h"
