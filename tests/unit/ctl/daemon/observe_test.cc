#include "ctl/daemon/observe.h"

#include <gtest/gtest.h>

#include "tests/support/packets.h"

namespace fairlead::daemon {
namespace {

using fairlead::testing::address;
using shm::ForwardingMode;

// A message can be forged: an IPv6 client must not be told of less than it may send.
TEST(LeastPathMtu, CarriesWhatTheClientCannotMakeSmaller) {
    const IpAddress vip4 = address("203.0.113.10");
    const IpAddress vip6 = address("2001:db8::10");
    const IpAddress backend4 = address("10.0.4.1");
    const IpAddress backend6 = address("fd00::4:1");
    EXPECT_EQ(least_path_mtu(ForwardingMode::kIpip, vip4, backend4), 576U);
    EXPECT_EQ(least_path_mtu(ForwardingMode::kGue, vip4, backend6), 1'280U);
    EXPECT_EQ(least_path_mtu(ForwardingMode::kIpip, vip6, backend4), 1'300U);
    EXPECT_EQ(least_path_mtu(ForwardingMode::kGre, vip6, backend4), 1'304U);
    EXPECT_EQ(least_path_mtu(ForwardingMode::kIpip, vip6, backend6), 1'320U);
    EXPECT_EQ(least_path_mtu(ForwardingMode::kGue, vip6, backend6), 1'332U);
}

}  // namespace
}  // namespace fairlead::daemon
