// Boost.Asio's loop by its name, for those who only hand it on: its header costs every file that
// includes it a second of compiling.
#pragma once

namespace boost::asio {
class io_context;
}
