// What nearly every file of this folder includes, read by the compiler once. A file still includes
// what it uses.
#include <algorithm>
#include <string>
#include <vector>

#include "ctl/publish/publisher.h"
