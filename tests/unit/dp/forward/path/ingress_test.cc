#include "dp/forward/path/ingress.h"

#include <gtest/gtest.h>

#include "tests/support/packets.h"
#include "tests/support/tables_image.h"

namespace fairlead {
namespace {

using testing::mac;

class OwnMacTest : public ::testing::Test {
  protected:
    OwnMacTest() {
        image_.snapshot().port_count = 2;
        image_.port(0).mac = mac("02:00:00:00:00:01");
        image_.virtual_macs(0).add(mac("00:00:5e:00:01:33"));
        image_.virtual_macs(0).add(mac("00:00:5e:00:02:34"));
        image_.publish(1);
    }
    bool takes(PortIndex port, const char* destination) {
        testing::Bytes frame(14, 0xEE);
        const MacAddress to = mac(destination);
        std::copy(to.bytes.begin(), to.bytes.end(), frame.begin());
        return OwnMac(image_.reader().snapshot(), port).is_destination_of(frame.data());
    }
    testing::TablesImage image_{{}};
};

TEST_F(OwnMacTest, IsThePortsAndThoseOfItsVirtualRouters) {
    for (const char* ours : {"02:00:00:00:00:01", "00:00:5e:00:01:33", "00:00:5e:00:02:34"}) {
        EXPECT_TRUE(takes(PortIndex{0}, ours)) << ours;
    }
    for (const char* another : {"02:00:00:00:00:02",
                                "00:00:5e:00:01:34",
                                "00:00:5e:00:02:33",
                                "00:00:5e:00:01:73",
                                "00:00:5e:00:00:33",
                                "00:00:5e:00:03:33",
                                "01:00:5e:00:01:33",
                                "ff:ff:ff:ff:ff:ff",
                                "00:00:00:00:00:00"}) {
        EXPECT_FALSE(takes(PortIndex{0}, another)) << another;
    }
    EXPECT_TRUE(OwnMac(image_.reader().snapshot(), PortIndex{0}).is_known());
}

TEST_F(OwnMacTest, IsOfItsPortAlone) {
    image_.port(1).mac = mac("02:00:00:00:00:02");
    EXPECT_FALSE(takes(PortIndex{1}, "00:00:5e:00:01:33"));
    EXPECT_FALSE(takes(PortIndex{1}, "02:00:00:00:00:01"));
}

TEST_F(OwnMacTest, IsEverythingButGroupsWhereItIsNotKnown) {
    for (const PortIndex port : {PortIndex{1}, PortIndex{2}, PortIndex{15}, PortIndex{255}}) {
        EXPECT_TRUE(takes(port, "02:00:00:00:00:01"));
        EXPECT_TRUE(takes(port, "00:00:5e:00:01:33"));
        EXPECT_FALSE(takes(port, "01:00:5e:00:00:01"));
        EXPECT_FALSE(takes(port, "ff:ff:ff:ff:ff:ff"));
        EXPECT_FALSE(OwnMac(image_.reader().snapshot(), port).is_known());
    }
}

}  // namespace
}  // namespace fairlead
